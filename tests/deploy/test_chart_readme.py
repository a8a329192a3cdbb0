"""The tables of the chart's README, made from values.yaml."""

import importlib.util

import pytest

from tests.deploy.chart import CHART, ROOT

SPEC = importlib.util.spec_from_file_location("chart_readme", ROOT / "tools" / "chart_readme.py")
assert SPEC and SPEC.loader
chart_readme = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(chart_readme)

VALUES = """
# -- Any number
size: 3

# About the edge.
edge:
  # -- Where | which
  nodeSelector: {}
  service:
    # -- Ports of it
    ports: {http: 1}
  list:
    - a: b
"""


def test_the_readme_is_fresh() -> None:
    """README.md is what `make chart-docs` makes of values.yaml."""
    readme = (CHART / "README.md").read_text()
    assert chart_readme.filled(readme, chart_readme.tables((CHART / "values.yaml").read_text())) == readme


def test_a_described_key_is_a_row() -> None:
    """Keys at the top come first, a map is a section with its comment, and a described map is one row."""
    made = chart_readme.tables(VALUES.replace("  list:", "  # -- Some\n  list:"))
    assert "| `size` | `3` | Any number |" in made
    assert "### edge\n\nAbout the edge.\n" in made
    assert "| `edge.nodeSelector` | `{}` | Where \\| which |" in made
    assert '| `edge.service.ports` | `{"http": 1}` | Ports of it |' in made
    assert made.index("`size`") < made.index("### edge")


def test_a_value_without_a_word_is_refused() -> None:
    """A key that nobody describes is named."""
    with pytest.raises(chart_readme.Undescribed, match=r"edge\.list"):
        chart_readme.tables(VALUES + "defaults: {}\n")
