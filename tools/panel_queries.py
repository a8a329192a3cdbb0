"""Asks a Prometheus every query of every dashboard, at least twice, and says which panels are empty or stand still.

python -m tools.panel_queries http://localhost:9095 --namespace local --release local

A query passes if its last two answers hold samples, all of them finite, of nothing but marksim. A panel passes if its
queries do and a sample ever changed, unless its definition in tools/dashboards calls it constant. What does not pass is
asked again until `--within-s` is over: a spread may stand still, and the archive writes its first file after a minute.
"""

import argparse
import json
import math
import re
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any

from tools.dashboards.__main__ import DASHBOARDS, FOLDERS

METRIC = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)\{")
TIMEOUT_S = 10.0

Samples = dict[str, float]
"""Value by the text of the labels."""


@dataclass
class Panel:
    """What one panel asks, and each round's answers."""

    name: str
    expressions: list[str]
    constant: bool
    rounds: list[list[Samples]] = field(default_factory=list)

    @property
    def faults(self) -> list[str]:
        """What is wrong so far."""
        if len(self.rounds) < 2:
            return ["not asked twice yet"]
        found = []
        for expression, *answers in zip(self.expressions, *self.rounds[-2:], strict=True):
            found += [f"{fault}: {expression}" for fault in faults_of(expression, answers)]
        if not found and not self.constant and all(answers == self.rounds[0] for answers in self.rounds):
            return ["nothing changed, and the panel is not declared constant"]
        return found


def faults_of(expression: str, answers: Sequence[Samples]) -> list[str]:
    """What is wrong with one query's answers."""
    strangers = [name for name in METRIC.findall(expression) if not name.startswith("marksim_")]
    faults = [f"{name} is not marksim's own" for name in strangers]
    if not METRIC.search(expression):
        faults.append("no metric is named")
    if not all(answers):
        faults.append("no samples")
    infinite = {labels for samples in answers for labels, value in samples.items() if not math.isfinite(value)}
    return faults + [f"not finite for {labels}" for labels in sorted(infinite)]


def panels_of(folder: Path, variables: Mapping[str, str]) -> list[Panel]:
    """The panels of the shipped dashboards, their variables replaced."""
    constant = {(spec.uid, panel.title, panel.description): panel.constant for spec in DASHBOARDS for panel in spec.panels}
    panels = []
    for path in sorted(folder.glob("*.json")):
        dashboard = json.loads(path.read_text())
        for panel in dashboard["panels"]:
            if panel["type"] == "row":
                continue
            key = dashboard["uid"], panel["title"], panel["description"]
            expressions = [substituted(target["expr"], variables) for target in panel["targets"]]
            panels.append(Panel(f"{path.stem}: {panel['title']}", expressions, constant[key]))
    return panels


def substituted(expression: str, variables: Mapping[str, str]) -> str:
    """The expression with its variables replaced; raises ValueError for one that is not known."""
    for name, value in variables.items():
        expression = expression.replace(f"${name}", value)
    if "$" in expression:
        raise ValueError(f"a variable is left in {expression}")
    return expression


def ask(prometheus: str, expression: str) -> Samples:
    """The samples of an instant query; of a Prometheus that is still starting, none."""
    url = f"{prometheus.rstrip('/')}/api/v1/query?{urllib.parse.urlencode({'query': expression})}"
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer:  # noqa: S310 (the caller names the server)
            data: dict[str, Any] = json.load(answer)["data"]
    except urllib.error.HTTPError as error:
        if error.code != HTTPStatus.SERVICE_UNAVAILABLE:
            raise
        return {}
    return {json.dumps(sample["metric"], sort_keys=True): float(sample["value"][1]) for sample in data["result"]}


def run(arguments: argparse.Namespace) -> int:
    """Ask until all pass or time is over, print a line a panel; the exit code."""
    variables = {
        "namespace": arguments.namespace,
        "release": arguments.release,
        "symbol": ".+",
        "__rate_interval": arguments.rate_interval,
    }
    panels = panels_of(arguments.dashboards, variables)
    end = time.monotonic() + arguments.within_s
    while (pending := [panel for panel in panels if panel.faults]) and time.monotonic() < end:
        for panel in pending:
            panel.rounds.append([ask(arguments.prometheus, expression) for expression in panel.expressions])
        time.sleep(arguments.pause_s)
    for panel in panels:
        series = sum(map(len, panel.rounds[-1])) if panel.rounds else 0
        print(f"{'FAILED' if panel.faults else 'ok':<7}{panel.name} ({len(panel.expressions)} queries, {series} series)")
        for fault in panel.faults:
            print(f"       {fault}")
    print(f"{len(panels) - len(pending)} passed, {len(pending)} failed")
    return 1 if pending or not panels else 0


def parse(argv: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("prometheus", help="address of the Prometheus, http://host:port")
    parser.add_argument("--dashboards", type=Path, default=FOLDERS[0], help="folder of the dashboards' JSON")
    parser.add_argument("--namespace", default="local")
    parser.add_argument("--release", default="local")
    parser.add_argument("--rate-interval", default="1m", help="four times the scrape interval, as Grafana takes it")
    parser.add_argument("--pause-s", type=float, default=15.0, help="seconds between two rounds")
    parser.add_argument("--within-s", type=float, default=150.0, help="seconds after which what has not passed has failed")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(run(parse(sys.argv[1:])))
