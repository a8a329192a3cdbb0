"""The alerts: complete, about metrics that there are, explained, and each with a test on both sides."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.exported import asked, names, page

ROOT = Path(__file__).resolve().parent.parent.parent
ALERTS = ROOT / "deploy" / "helm" / "marksim" / "files" / "alerts.yaml"
RULE_TESTS = sorted((ROOT / "tests" / "deploy" / "rules").glob("*.yaml"))
RULES: list[dict[str, Any]] = [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]
FIRING = re.compile(r'ALERTS\{alertname="(\w+)",alertstate="firing"\}')


def expectations() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """(alert, samples that must be there) of every test of the rules."""
    for path in RULE_TESTS:
        for test in yaml.safe_load(path.read_text())["tests"]:
            for expected in test["promql_expr_test"]:
                for name in FIRING.findall(expected["expr"]):
                    yield name, expected["exp_samples"]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_every_alert_says_what_and_where_to_read_on(rule: dict[str, Any]) -> None:
    """How bad it is, one sentence, another with the facts, and a paragraph of its own on what to do."""
    assert rule["labels"]["severity"] in ("info", "warning", "critical")
    said = rule["annotations"]
    assert said["summary"].endswith(".") and said["description"].endswith(".")
    page_name, anchor = said["runbook"].split("#")
    headings = re.findall(r"^### (\w+)$", (ROOT / page_name).read_text(), re.MULTILINE)
    assert anchor == rule["alert"].lower() and rule["alert"] in headings


def test_no_alert_is_explained_that_is_gone() -> None:
    """The page has a paragraph for each alert there is, and for no other, in their order."""
    headings = re.findall(r"^### (Marksim\w+)$", (ROOT / "docs" / "operations.md").read_text(), re.MULTILINE)
    assert headings == [rule["alert"] for rule in RULES]


async def test_every_metric_of_an_alert_is_exported(tmp_path: Path) -> None:
    """No alert waits for what no service tells."""
    assert asked(rule["expr"] for rule in RULES) - names(await page(tmp_path)) == set()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_every_alert_is_tested_on_both_sides(rule: dict[str, Any]) -> None:
    """Its tests, which `make alerts-test` runs, show when it fires, for which release alone, and when it does not yet."""
    mine = [samples for name, samples in expectations() if name == rule["alert"]]
    assert any(samples for samples in mine) and [] in mine
    assert not any("good" in sample["labels"] for samples in mine for sample in samples)


@pytest.mark.parametrize("name", ["scrape.yaml", "local.yaml"])
def test_scraped_series_carry_the_labels_that_dashboards_and_alerts_rely_on(name: str) -> None:
    """Job marksim, and namespace, pod, release, component on every series, in a cluster and on one machine."""
    jobs = yaml.safe_load((ROOT / "deploy" / "prometheus" / name).read_text())["scrape_configs"]
    assert [job["job_name"] for job in jobs] == ["marksim"]
    labels = [set(static["labels"]) for static in jobs[0].get("static_configs", [])]
    labels = labels or [{rule["target_label"] for rule in jobs[0]["relabel_configs"] if "target_label" in rule}]
    assert all({"namespace", "pod", "release", "component"} <= found for found in labels)
