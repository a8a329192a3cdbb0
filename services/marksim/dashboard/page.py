"""The page: a layout that never changes. What moves in it is written by the scripts in assets/, which poll the batches.

No callback runs on the server: a callback that redraws everything on a timer flickers, sends the same data again and
falls behind. The two callbacks here are clientside and only pass on what the visitor selects.
"""

from typing import Any

import dash_mantine_components as dmc
from dash import ClientsideFunction, Dash, Input, Output, dcc, html

# Served by Dash from the installed plotly package, like everything else on the page: nothing comes from a network.
_PLOTLY = "/_dash-component-suites/plotly/package_data/plotly.min.js"
# Mantine's ten shades of its dark scheme, from text to ground, in the blue greys of assets/page.css.
_DARK = ["#e8ecf4", "#c3cad8", "#8b96ab", "#5d6880", "#2a3346", "#232c3e", "#171d2a", "#0b0e14", "#090c11", "#06080c"]
INTERVALS = (("1", "1 s"), ("10", "10 s"), ("60", "1 min"))

_TILES = (
    ("last", "Last price", "change", "Against the oldest minute that this dashboard still holds"),
    ("bid", "Best bid", "bid-size", "Highest buying price, and how much of it"),
    ("ask", "Best ask", "ask-size", "Lowest selling price, and how much of it"),
    ("spread", "Spread", "spread-bps", "Ask minus bid; one basis point is 0.01 % of the price"),
    ("volume", "Volume 24 h", "volume-quote", "What traded in the last 24 simulated hours"),
    ("rate", "Ticks per second", "rate-all", "Of this symbol and of all, by the wall clock"),
    ("lag", "Lag", "lag-note", "From sending at the edge to receiving here"),
)
_FEED_LINES = (
    ("feed-run", "Run", "The run's identity; another one means another market"),
    ("feed-runs", "Run changes", "Since this dashboard started"),
    ("feed-ticks", "Ticks received", "Since this dashboard started"),
    ("feed-connections", "Connections", "How often the feed was opened"),
    ("feed-conflated", "Conflated", "Ticks that the server merged because this reader was slow"),
    ("feed-lost", "Lost", "Ticks that the server sent and that never came"),
    ("feed-missed", "Missed while away", "Ticks made between two connections"),
    ("feed-late", "Late", "Ticks older than what was already known; dropped"),
    ("feed-bad", "Unreadable messages", "Messages that are no tick"),
    ("feed-draw", "Drawing", "Median time of a redraw in this browser"),
)


def make_page() -> Dash:
    """The Dash application, with its layout and the clientside callbacks."""
    app = Dash(
        "marksim.dashboard",
        title="marksim",
        update_title="",
        external_scripts=[_PLOTLY],
        assets_folder="assets",
        enable_mcp=False,
    )
    app.layout = _layout()
    # Dash leaves this method untyped.
    on_change: Any = app.clientside_callback
    on_change(
        ClientsideFunction("marksim", "select"),
        Output("selection", "data"),
        Input("symbol", "value"),
        Input("interval", "value"),
    )
    on_change(ClientsideFunction("marksim", "freeze"), Output("frozen", "data"), Input("freeze", "checked"))
    return app


def _layout() -> Any:
    return dmc.MantineProvider(
        forceColorScheme="dark",
        theme={
            "primaryColor": "blue",
            "fontFamily": "system-ui, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif",
            "colors": {"dark": _DARK},
        },
        children=html.Main(
            className="page",
            children=[
                dcc.Store(id="selection"),
                dcc.Store(id="frozen"),
                _header(),
                html.Div(id="banner", className="banner", role="status", hidden=True),
                html.Section([_tile(*tile) for tile in _TILES], className="tiles"),
                _charts(),
                html.Section([_symbols(), _feed()], className="below"),
            ],
        ),
    )


def _header() -> Any:
    return html.Header(
        className="header",
        children=[
            html.Div([html.H1("marksim"), html.Span("live market", className="muted")], className="brand"),
            dmc.Group(
                gap="sm",
                children=[
                    dmc.Select(
                        id="symbol",
                        data=[],
                        placeholder="no symbol yet",
                        allowDeselect=False,
                        searchable=True,
                        w=170,
                        size="sm",
                        **{"aria-label": "Symbol"},
                    ),
                    dmc.SegmentedControl(
                        id="interval",
                        value=INTERVALS[0][0],
                        data=[{"value": value, "label": label} for value, label in INTERVALS],
                        size="sm",
                    ),
                    dmc.Switch(id="freeze", label="Freeze", size="sm", checked=False),
                ],
            ),
            html.Div(
                className="feed-state",
                children=[
                    html.Div(id="clock", className="clock", title="Simulated time of the newest tick, UTC"),
                    html.Div(
                        [html.I(className="lamp"), html.Span("starting", id="lamp-text")], id="lamp", className="lamp-box"
                    ),
                ],
            ),
        ],
    )


def _tile(name: str, label: str, note: str, hint: str) -> Any:
    return dmc.Paper(
        className="tile",
        children=[
            html.Div(label, className="label", title=hint),
            html.Div("–", id=name, className="value"),
            html.Div(" ", id=note, className="note"),
        ],
    )


def _charts() -> Any:
    return html.Section(
        className="charts",
        children=[
            dmc.Paper(
                className="panel",
                children=[
                    html.H2([html.Span("Candles and volume"), html.Span(id="candles-note", className="muted")]),
                    html.Div(id="candle-chart", className="chart"),
                ],
            ),
            dmc.Paper(
                className="panel",
                children=[
                    html.H2([html.Span("Tick by tick"), html.Span(id="ticks-note", className="muted")]),
                    html.Div(id="tick-chart", className="chart"),
                ],
            ),
            html.Div(
                id="empty",
                className="empty",
                children=[html.H3("No market data yet", id="empty-title"), html.P(id="empty-text")],
            ),
        ],
    )


def _symbols() -> Any:
    columns = ("Symbol", "Last", "Change", "Bid", "Ask", "Spread", "Volume 24 h", "Ticks/s")
    return dmc.Paper(
        className="panel",
        children=[
            html.H2([html.Span("Symbols"), html.Span("select one to see it above", className="muted")]),
            html.Div(
                className="scroll",
                children=html.Table(
                    [html.Thead(html.Tr([html.Th(column) for column in columns])), html.Tbody(id="symbol-rows")]
                ),
            ),
        ],
    )


def _feed() -> Any:
    lines = [item for name, label, hint in _FEED_LINES for item in (html.Dt(label, title=hint), html.Dd("–", id=name))]
    return dmc.Paper(
        className="panel",
        children=[
            html.H2(html.Span("Feed")),
            html.P("Connecting.", id="feed-sentence", className="sentence"),
            html.Dl(lines),
        ],
    )
