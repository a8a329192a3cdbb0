"""What only promtool can judge: `make alerts-test` runs these."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.deploy.exported import page
from tests.deploy.test_alerts import ALERTS, ROOT, RULE_TESTS

pytestmark = pytest.mark.cluster


POD = "__meta_kubernetes_pod_"


def promtool(*arguments: str | Path, text: str = "") -> str:
    """Run it and return what it says; complaints are the failure."""
    program = shutil.which("promtool")
    assert program, "promtool is missing; Debian's package prometheus has it"
    done = subprocess.run(
        [program, *map(str, arguments)], input=text, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0 and not done.stderr, done.stdout + done.stderr
    return done.stdout


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


def scraped(tmp_path: Path, *pods: dict[str, str]) -> list[dict[str, str]]:
    """The labels of the targets that scrape.yaml makes of pods with these facts; a pod is found at two ports."""
    config = yaml.safe_load((ROOT / "deploy" / "prometheus" / "scrape.yaml").read_text())
    (job,) = config["scrape_configs"]
    # Debian's promtool knows no Kubernetes; what discovery would tell is given instead.
    assert job.pop("kubernetes_sd_configs") == [{"role": "pod"}]
    job["static_configs"] = [{"targets": ["10.0.0.1:8765", "10.0.0.1:9090"], "labels": pod} for pod in pods]
    path = tmp_path / "prometheus.yaml"
    path.write_text(yaml.safe_dump(config))
    said = json.loads(promtool("check", "service-discovery", "--timeout", "1s", path, "marksim"))
    return sorted((target["labels"] for target in said if target["labels"]), key=lambda labels: str(labels["__address__"]))


def pod(**changes: str) -> dict[str, str]:
    """What Prometheus knows of one of our pods, but for what is changed."""
    facts = {
        "label_app_kubernetes_io_part_of": "marksim",
        "label_app_kubernetes_io_instance": "one",
        "label_app_kubernetes_io_component": "edge",
        "annotation_prometheus_io_scrape": "true",
        "annotation_prometheus_io_port": "9090",
        "phase": "Running",
        "ip": "10.0.0.1",
        "name": "one-edge-0",
    }
    return {"__meta_kubernetes_namespace": "trading"} | {POD + name: value for name, value in (facts | changes).items()}


def test_a_pod_is_scraped_once_with_the_labels_that_queries_rely_on(tmp_path: Path) -> None:
    """At the port and path of its annotations, under either version of IP."""
    four, six = scraped(tmp_path, pod(), pod(ip="fd00::1", annotation_prometheus_io_path="/numbers"))
    wanted = {"job": "marksim", "namespace": "trading", "pod": "one-edge-0", "release": "one", "component": "edge"}
    assert wanted.items() <= four.items() and wanted.items() <= six.items()
    assert (four["__address__"], four["__metrics_path__"]) == ("10.0.0.1:9090", "/metrics")
    assert (six["__address__"], six["__metrics_path__"]) == ("[fd00::1]:9090", "/numbers")


def test_pods_of_others_and_ended_ones_are_left_alone(tmp_path: Path) -> None:
    """Nothing but marksim, only what asks for it, and only while it runs."""
    others = (
        pod(label_app_kubernetes_io_part_of="another"),
        pod(annotation_prometheus_io_scrape="false"),
        pod(phase="Succeeded"),
    )
    assert scraped(tmp_path, *others) == []


async def test_pages_of_metrics_follow_the_conventions(tmp_path: Path) -> None:
    """Names, units, types and help texts of everything that the services export."""
    ours = [line for line in (await page(tmp_path)).splitlines(keepends=True) if "marksim_" in line]
    assert len(ours) > 300
    promtool("check", "metrics", text="".join(dict.fromkeys(ours)))
