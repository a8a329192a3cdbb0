"""What a dashboard says, without Grafana: rows of panels, each with a unit, a sentence and its queries.

In an expression `{@}` stands for the labels of the chosen release, and `{@,` begins a longer list of labels.
"""

from dataclasses import dataclass
from typing import Literal

SELECTOR = 'namespace="$namespace",release="$release"'
"""Labels that every scraped series of a release has; deploy/prometheus shows where they come from."""
SYMBOLS = 'symbol=~"$symbol"'


@dataclass(frozen=True, slots=True)
class Query:
    """One expression; the legend may name labels as {{label}}."""

    expr: str
    legend: str

    @property
    def promql(self) -> str:
        """The expression as Grafana sends it, but for the variables."""
        return self.expr.replace("{@", "{" + SELECTOR)


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel. `constant`: in a healthy market its values may stand still, as those of gaps do."""

    title: str
    description: str
    unit: str
    queries: tuple[Query, ...]
    kind: Literal["lines", "stacked", "number", "name"] = "lines"
    constant: bool = False
    width: int = 8
    height: int = 8
    decimals: int | None = None
    from_zero: bool = True


@dataclass(frozen=True, slots=True)
class Row:
    """A heading and what is below it."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True)
class Dashboard:
    """One page; `by_symbol` adds a choice of symbols."""

    name: str
    title: str
    description: str
    rows: tuple[Row, ...]
    by_symbol: bool = False

    @property
    def uid(self) -> str:
        """Names it in Grafana, and stays when the title changes."""
        return f"marksim-{self.name}"

    @property
    def panels(self) -> list[Panel]:
        """All panels, in their order."""
        return [panel for row in self.rows for panel in row.panels]


def number(title: str, description: str, unit: str, query: Query, *, constant: bool = False, width: int = 4) -> Panel:
    """A single number, as large as it fits."""
    return Panel(title, description, unit, (query,), "number", constant, width, height=4)


def rate(metric: str, by: str, labels: str = "{@}", window: str = "$__rate_interval") -> str:
    """Increase a second of a counter, summed by these labels."""
    return f"sum by ({by}) (rate({metric}{labels}[{window}]))"


def quantiles(metric: str, by: str = "", labels: str = "{@}", window: str = "$__rate_interval") -> tuple[Query, ...]:
    """Median, 95th and 99th of 100 of a histogram."""
    groups = f"le, {by}" if by else "le"
    legend = f" {{{{{by}}}}}" if by else ""
    return tuple(
        Query(f"histogram_quantile({q}, {rate(metric + '_bucket', groups, labels, window)})", name + legend)
        for q, name in ((0.5, "median"), (0.95, "95 of 100"), (0.99, "99 of 100"))
    )
