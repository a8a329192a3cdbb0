"""From what a dashboard says to Grafana's JSON."""

from itertools import count

from grafana_foundation_sdk.builders import common as build_common
from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.builders import prometheus, stat, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common, dashboard
from tools.dashboards.spec import SELECTOR, Dashboard, Panel

DATASOURCE = dashboard.DataSourceRef(type_val="prometheus", uid="${datasource}")
REFRESH = "10s"


def to_json(spec: Dashboard) -> str:
    """The dashboard's file: the same text for the same spec."""
    builder = (
        build.Dashboard(spec.title)
        .uid(spec.uid)
        .description(spec.description)
        .tags(["marksim"])
        .refresh(REFRESH)
        .time("now-15m", "now")
        .timezone("browser")
        .tooltip(dashboard.DashboardCursorSync.CROSSHAIR)
        .link(_siblings())
    )
    for variable in _variables(spec):
        builder = builder.with_variable(variable)
    numbers = count(1)
    for row in spec.rows:
        builder = builder.with_row(build.Row(row.title).id(next(numbers)))
        for panel in row.panels:
            builder = builder.with_panel(_panel(panel).id(next(numbers)))
    return JSONEncoder(sort_keys=True, indent=2).encode(builder.build()) + "\n"


def _siblings() -> build.DashboardLink:
    return (
        build.DashboardLink("marksim")
        .type(dashboard.DashboardLinkType.DASHBOARDS)
        .tags(["marksim"])
        .as_dropdown(False)
        .include_vars(True)
        .keep_time(True)
    )


def _variables(spec: Dashboard) -> list[build.DatasourceVariable | build.QueryVariable]:
    variables: list[build.DatasourceVariable | build.QueryVariable] = [
        build.DatasourceVariable("datasource").label("Data source").type("prometheus"),
        _labels("namespace", "Namespace", "label_values(marksim_service_info, namespace)"),
        _labels("release", "Release", 'label_values(marksim_service_info{namespace="$namespace"}, release)'),
    ]
    if spec.by_symbol:
        symbols = _labels("symbol", "Symbol", f"label_values(marksim_orderbook_last_price{{{SELECTOR}}}, symbol)")
        everything = dashboard.VariableOption(selected=True, text="All", value="$__all")
        variables.append(symbols.multi(True).include_all(True).all_value(".+").current(everything))
    return variables


def _labels(name: str, label: str, query: str) -> build.QueryVariable:
    return (
        build.QueryVariable(name)
        .label(label)
        .datasource(DATASOURCE)
        .query(query)
        .refresh(dashboard.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(dashboard.VariableSort.ALPHABETICAL_ASC)
    )


def _panel(spec: Panel) -> stat.Panel | timeseries.Panel:
    panel = _number(spec) if spec.kind in ("number", "name") else _lines(spec)
    panel = panel.title(spec.title).description(spec.description).unit(spec.unit).datasource(DATASOURCE)
    panel = panel.span(spec.width).height(spec.height)
    if spec.decimals is not None:
        panel = panel.decimals(spec.decimals)
    for letter, query in zip("ABCDEFGH", spec.queries, strict=False):
        target = prometheus.Dataquery().expr(query.promql).legend_format(query.legend).ref_id(letter)
        panel = panel.with_target(target.datasource(DATASOURCE))
    return panel


def _number(spec: Panel) -> stat.Panel:
    """Of a `name` the value says nothing: its legend is the text."""
    named = spec.kind == "name"
    return (
        stat.Panel()
        .reduce_options(build_common.ReduceDataOptions().calcs(["lastNotNull"]))
        .text_mode(common.BigValueTextMode.NAME if named else common.BigValueTextMode.AUTO)
        .graph_mode(common.BigValueGraphMode.NONE if named or spec.constant else common.BigValueGraphMode.AREA)
        .color_mode(common.BigValueColorMode.NONE)
    )


def _lines(spec: Panel) -> timeseries.Panel:
    panel = (
        timeseries.Panel()
        .line_width(1)
        .fill_opacity(30 if spec.kind == "stacked" else 5)
        .show_points(common.VisibilityMode.NEVER)
        .legend(
            build_common.VizLegendOptions()
            .display_mode(common.LegendDisplayMode.LIST)
            .placement(common.LegendPlacement.BOTTOM)
            .show_legend(True)
        )
        .tooltip(build_common.VizTooltipOptions().mode(common.TooltipDisplayMode.MULTI).sort(common.SortOrder.DESCENDING))
    )
    if spec.kind == "stacked":
        panel = panel.stacking(build_common.StackingConfig().mode(common.StackingMode.NORMAL))
    return panel.min(0) if spec.from_zero else panel
