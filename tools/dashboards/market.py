"""The market: prices, activity, and how its clock runs."""

from tools.dashboards.spec import SYMBOLS, Dashboard, Panel, Query, Row, number, rate

BOOK = "marksim_orderbook"
ENGINE = "marksim_engine"
ON = f"{{@,{SYMBOLS}}}"


def of_symbol(metric: str) -> str:
    """A gauge by symbol, one series each, also while a pod is replaced."""
    return f"max by (symbol) ({BOOK}_{metric}{ON})"


NOW = Row(
    "Now",
    (
        number(
            "Simulated time",
            "Where the market's clock stands, in simulated UTC.",
            "dateTimeAsIso",
            Query(f"1000 * max({ENGINE}_simulated_time_seconds{{@}})", "simulated time"),
            width=5,
        ),
        Panel(
            "State",
            "What the clock does: running, paused by somebody, waiting for the order book, or failed.",
            "short",
            (Query(f"max by (state) ({ENGINE}_state{{@}}) == 1", "{{state}}"),),
            "name",
            constant=True,
            width=3,
            height=4,
        ),
        number(
            "Speed",
            "Simulated seconds that pass in a wall second, over the last ten.",
            "suffix:x",
            Query(f"max({ENGINE}_speed_ratio{{@}})", "speed"),
        ),
        number(
            "Windows a second",
            "Windows of simulated time done in a wall second; each is one exchange between engine and order book.",
            "cps",
            Query(f"sum(rate({ENGINE}_windows_total{{@}}[$__rate_interval]))", "windows"),
        ),
        Panel(
            "Run",
            "The scenario, its seed and the run that goes on, by the epoch that readers see.",
            "short",
            (Query(f"max by (scenario, seed, run) ({ENGINE}_run_info{{@}})", "{{scenario}}, seed {{seed}}, {{run}}"),),
            "name",
            constant=True,
            width=8,
            height=4,
        ),
    ),
)

PRICES = Row(
    "Prices",
    (
        Panel(
            "Price",
            "Best bid, best ask and the last trade, in quote units.",
            "locale",
            (
                Query(of_symbol("best_bid_price"), "{{symbol}} bid"),
                Query(of_symbol("best_ask_price"), "{{symbol}} ask"),
                Query(of_symbol("last_price"), "{{symbol}} last"),
            ),
            width=16,
            height=10,
            from_zero=False,
        ),
        Panel(
            "Spread",
            "Best ask less best bid, in quote units; it widens when makers step back.",
            "locale",
            (Query(f"{of_symbol('best_ask_price')} - {of_symbol('best_bid_price')}", "{{symbol}}"),),
            height=10,
        ),
        Panel(
            "Size at the best prices",
            "Quantity that rests at the best bid and ask, in base units; 0 means that the side is empty.",
            "locale",
            (
                Query(of_symbol("best_bid_quantity"), "{{symbol}} bid"),
                Query(of_symbol("best_ask_quantity"), "{{symbol}} ask"),
            ),
        ),
        Panel(
            "Resting orders",
            "Orders that rest in the book; steady growth means that nobody cancels.",
            "short",
            (Query(of_symbol("resting_orders"), "{{symbol}}"),),
        ),
        Panel(
            "Day's volume",
            "Quantity traded in the current simulated minute and the 1,440 before it, in base units.",
            "locale",
            (Query(of_symbol("day_volume"), "{{symbol}}"),),
        ),
    ),
)

SESSIONS = Row(
    "Sessions",
    (
        Panel(
            "Session",
            "The session of each symbol: only in continuous trading do orders trade as they come.",
            "short",
            (Query(f"max by (symbol, state) ({BOOK}_session_state{ON}) == 1", "{{symbol}} {{state}}"),),
            "name",
            constant=True,
        ),
        Panel(
            "Indicative price",
            "Price at which an auction would uncross now, in quote units; 0 where none is on, or no orders cross.",
            "locale",
            (Query(of_symbol("indicative_price"), "{{symbol}}"),),
            constant=True,
        ),
        Panel(
            "Indicative volume",
            "What would trade at the indicative price, in base units.",
            "locale",
            (Query(of_symbol("indicative_volume"), "{{symbol}}"),),
            constant=True,
        ),
    ),
)

ACTIVITY = Row(
    "Activity",
    (
        Panel(
            "Trades",
            "Matches of a maker with a taker in a wall second.",
            "cps",
            (Query(rate(f"{BOOK}_trades_total", "symbol", ON), "{{symbol}}"),),
        ),
        Panel(
            "Volume",
            "Quantity traded in a wall second, in base units.",
            "suffix: base/s",
            (Query(rate(f"{BOOK}_volume_total", "symbol", ON), "{{symbol}}"),),
        ),
        Panel(
            "Ticks",
            "Changes of best price, best size or last trade in a wall second: what the feed has to carry.",
            "cps",
            (Query(rate(f"{BOOK}_ticks_total", "symbol", ON), "{{symbol}}"),),
        ),
    ),
)

CLOCK = Row(
    "Clock",
    (
        Panel(
            "Speed asked and reached",
            "Simulated seconds a wall second; reached stays below asked where the machine is too slow.",
            "suffix:x",
            (
                Query(f"max({ENGINE}_speed_ratio{{@}})", "reached"),
                Query(f"max({ENGINE}_target_speed_ratio{{@}} < Inf)", "asked"),
            ),
            width=6,
        ),
        Panel(
            "Lag",
            "How far the clock is behind where its speed would have it; over one second it is given up, which is a slip.",
            "s",
            (Query(f"max({ENGINE}_lag_seconds{{@}})", "lag"),),
            width=6,
            constant=True,
        ),
        Panel(
            "Time given up",
            "Wall time in a second that the clock gave up for being more than a second late.",
            "percentunit",
            (Query(f"sum(rate({ENGINE}_slipped_seconds_total{{@}}[$__rate_interval]))", "given up"),),
            width=6,
            constant=True,
        ),
        Panel(
            "Where the time goes",
            "Share of wall time that agents and order book take; idle is what is left for a higher speed.",
            "percentunit",
            (Query(rate(f"{ENGINE}_spent_seconds_total", "part"), "{{part}}"),),
            "stacked",
            width=6,
        ),
    ),
)

DASHBOARD = Dashboard(
    "market",
    "marksim: market",
    "Prices and activity by symbol, and whether simulated time runs as fast as it was asked to.",
    (NOW, PRICES, SESSIONS, ACTIVITY, CLOCK),
    by_symbol=True,
)
