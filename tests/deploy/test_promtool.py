"""What only promtool can judge: `make alerts-test` runs these."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.deploy.exported import page
from tests.deploy.test_alerts import ALERTS, ROOT, RULE_TESTS

pytestmark = pytest.mark.cluster


def promtool(*arguments: str | Path, text: str = "") -> None:
    """Run it; what it says is the failure."""
    program = shutil.which("promtool")
    assert program, "promtool is missing; Debian's package prometheus has it"
    done = subprocess.run(
        [program, *map(str, arguments)], input=text, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0 and not done.stderr, done.stdout + done.stderr


def test_alerts_are_rules() -> None:
    """The file is valid as it stands, without a template."""
    promtool("check", "rules", ALERTS)


@pytest.mark.parametrize("path", RULE_TESTS, ids=lambda path: path.stem)
def test_alerts_fire_when_they_should_and_only_then(path: Path) -> None:
    """The tests of the rules."""
    promtool("test", "rules", path)


def test_the_local_configuration_is_valid() -> None:
    """Prometheus would start with it, rules included."""
    promtool("check", "config", ROOT / "deploy" / "prometheus" / "local.yaml")


async def test_pages_of_metrics_follow_the_conventions(tmp_path: Path) -> None:
    """Names, units, types and help texts of everything that the services export."""
    ours = [line for line in (await page(tmp_path)).splitlines(keepends=True) if "marksim_" in line]
    assert len(ours) > 300
    promtool("check", "metrics", text="".join(dict.fromkeys(ours)))
