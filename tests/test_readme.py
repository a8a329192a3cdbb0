"""What the README says is so: its flags, ports, links and message."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from pydantic_core import PydanticUndefined

from marksim.dashboard.settings import DashboardSettings
from marksim.supervisor.settings import HTTP_CHILDREN, MainSettings

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()
# `set` is read by the supervisor itself; the others are fields of its settings.
FLAGS = {f"--{name.replace('_', '-')}" for name in MainSettings.model_fields}


def section(title: str) -> str:
    return README.split(f"\n## {title}\n")[1].split("\n## ")[0]


def test_every_flag_in_the_table_of_flags_exists() -> None:
    """A reader can type what the table shows."""
    named = set(re.findall(r"^\| `(--[a-z-]+)", section("Flags"), re.MULTILINE))
    assert named
    assert named <= FLAGS


def test_the_table_of_ports_has_the_defaults() -> None:
    """Each port of marksim.main stands in the table as it is by default, beside the flag that changes it."""
    table = section("Ports")
    defaults = {name: field.default for name, field in MainSettings.model_fields.items() if name.endswith("port")}
    # Not a port of its own, but where the dashboard's is, which has its row; test_plan.py holds the two defaults together.
    del defaults["dashboard_grpc_port"]
    rows = dict(re.findall(r"\| (\d+) \| `--([a-z-]+)` \|", table))
    assert {name: int(port) for port, name in rows.items()} == {
        name.replace("_", "-"): port for name, port in defaults.items()
    }
    first = MainSettings.model_fields["http_port_base"].default
    assert f"| {first} to {first + len(HTTP_CHILDREN) - 1} | `--http-port-base` |" in table


def test_the_dashboards_ports_are_its_defaults() -> None:
    """Page, gRPC and health, in the order of their flags."""
    fields = DashboardSettings.model_fields
    ports = [fields[name].default for name in ("port", "grpc_port", "http_port")]
    assert PydanticUndefined not in ports
    assert "| dashboard; its gRPC; its metrics and health | {}; {}; {} |".format(*ports) in section("Ports")


def test_every_link_leads_to_a_file() -> None:
    """No page of the docs points at something that is not there."""
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_every_page_of_the_docs_is_reached_from_the_readme() -> None:
    """By links, over other pages; a page that nothing leads to is not read."""
    seen: set[Path] = set()
    waiting = [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in seen:
            continue
        seen.add(page)
        for target in re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text()):
            path = (page.parent / target).resolve()
            waiting += [path] if path.suffix == ".md" else [path / "README.md"] if (path / "README.md").exists() else []
    assert {*(ROOT / "docs").rglob("*.md"), ROOT / "CONTRIBUTING.md"} <= seen


def test_an_agent_of_a_user_is_checked_against_the_package(tmp_path: Path) -> None:
    """mypy takes the types of an installed package only where it says that it has some; then the README's agent passes."""
    assert (ROOT / "services" / "marksim" / "py.typed").exists()
    agent = section("Your own agent").split("```python\n")[1].split("```")[0]
    typed = agent.replace("scalper(market):", "scalper(market: Market) -> None:")
    (tmp_path / "scalper.py").write_text(f"from marksim import Market\n\n{typed}")
    settings = ("--strict", "--config-file", "", "--cache-dir", str(tmp_path / "cache"), "scalper.py")
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "services")}
    program = (sys.executable, "-m", "mypy", *settings)
    done = subprocess.run(program, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_message_shown_has_the_nine_keys_in_order() -> None:
    """The example is a message as the feed sends it."""
    block = README.split("```json\n")[1].split("```")[0]
    assert list(json.loads(block)) == [
        "timestamp",
        "symbol",
        "last_price",
        "bid_price",
        "ask_price",
        "bid_size",
        "ask_size",
        "volume_24h",
        "trade_count",
    ]


def test_the_consumers_shown_are_those_in_examples() -> None:
    """What the README prints is what stands, and is tested, in examples/."""
    for language, name in (("python", "consumer.py"), ("javascript", "consumer.js")):
        body = section("A consumer in your language").split(f"```{language}\n")[1].split("```")[0]
        example = (ROOT / "examples" / name).read_text()
        missing = [line for line in body.splitlines() if line.strip() and line not in example]
        assert missing == []
