"""The Grafana dashboards: fresh, complete, and about metrics that there are."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from tools.dashboards.__main__ import DASHBOARDS, FOLDERS, main, stale, wanted
from tools.dashboards.spec import Dashboard

from tests.deploy.exported import asked, names, page

SELECTED = re.compile(r"\{([^}]*)\}")


def shipped() -> dict[str, dict[str, Any]]:
    """The files by name."""
    return {path.stem: json.loads(path.read_text()) for path in sorted(FOLDERS[0].glob("*.json"))}


def panels_of(dashboard: dict[str, Any]) -> list[dict[str, Any]]:
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def test_dashboards_are_what_the_code_says() -> None:
    """After a change in tools/dashboards somebody ran `make dashboards`, in both places."""
    assert stale() == []
    assert len(wanted()) == 2 * len(DASHBOARDS) == 10


def test_a_stale_file_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--check fails for what is missing, differs or belongs to no dashboard, and writing mends all three."""
    monkeypatch.setattr("tools.dashboards.__main__.FOLDERS", (tmp_path / "one", tmp_path / "two"))
    monkeypatch.setattr("tools.dashboards.__main__.ROOT", tmp_path)
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "market.json").write_text("{}")
    (tmp_path / "one" / "old.json").write_text("{}")
    assert main(["--check"]) == 1
    said = capsys.readouterr().out
    assert "one/market.json" in said and "one/old.json" in said and "two/archive.json" in said
    assert main([]) == 0
    assert main(["--check"]) == 0


@pytest.mark.parametrize("spec", DASHBOARDS, ids=lambda spec: spec.name)
def test_every_panel_says_what_it_shows_and_in_what_unit(spec: Dashboard) -> None:
    """A title, a unit, a sentence, a legend for every query, and no two panels alike."""
    for panel in spec.panels:
        assert panel.title and panel.unit and panel.unit != "none", panel.title
        assert panel.description.endswith(".") and len(panel.description.split()) >= 6, panel.title
        assert panel.queries and all(query.legend for query in panel.queries), panel.title
    assert len({(panel.title, panel.description) for panel in spec.panels}) == len(spec.panels)


@pytest.mark.parametrize("name", [spec.name for spec in DASHBOARDS])
def test_the_file_carries_unit_sentence_and_data_source(name: str) -> None:
    """What the code says is where Grafana looks for it, with the data source as a variable."""
    dashboard = shipped()[name]
    variables = [variable["name"] for variable in dashboard["templating"]["list"]]
    assert variables[:3] == ["datasource", "namespace", "release"]
    assert (dashboard["refresh"], dashboard["time"]) == ("10s", {"from": "now-15m", "to": "now"})
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
    for panel in panels_of(dashboard):
        assert panel["fieldConfig"]["defaults"]["unit"] and panel["description"], panel["title"]
        sources = [panel["datasource"], *(target["datasource"] for target in panel["targets"])]
        assert all(source["uid"] == "${datasource}" for source in sources), panel["title"]


@pytest.mark.parametrize("name", [spec.name for spec in DASHBOARDS])
def test_panels_do_not_overlap_and_fill_their_rows(name: str) -> None:
    """Each cell of Grafana's grid of 24 columns belongs to one panel at most, and no panel sticks out."""
    taken: set[tuple[int, int]] = set()
    for panel in shipped()[name]["panels"]:
        place = panel["gridPos"]
        x, y = place.get("x", 0), place.get("y", 0)
        cells = {(column, line) for column in range(x, x + place["w"]) for line in range(y, y + place["h"])}
        assert x + place["w"] <= 24 and not taken & cells, panel["title"]
        taken |= cells


def test_every_query_asks_for_the_chosen_release_alone() -> None:
    """Two releases in one Prometheus, also in one namespace, never mix."""
    for name, dashboard in shipped().items():
        for panel in panels_of(dashboard):
            for target in panel["targets"]:
                selectors = SELECTED.findall(target["expr"])
                assert selectors, (name, panel["title"])
                wrong = [one for one in selectors if not one.startswith('namespace="$namespace",release="$release"')]
                assert wrong == [], (name, panel["title"])


async def test_every_metric_of_a_query_is_exported(tmp_path: Path) -> None:
    """No panel asks for what no service tells."""
    texts = [query.expr for spec in DASHBOARDS for panel in spec.panels for query in panel.queries]
    texts += [str(variable.get("query")) for dashboard in shipped().values() for variable in dashboard["templating"]["list"]]
    missing = asked(texts) - names(await page(tmp_path))
    assert missing == set()
