"""Order flow and latency: what is sent, what becomes of it, and how long windows and calls take."""

from tools.dashboards.spec import Dashboard, Panel, Query, Row, quantiles, rate

BOOK = "marksim_orderbook"
ENGINE = "marksim_engine"
CALL = f"{BOOK}_outside_call_duration_seconds"


def call_time(q: float, name: str) -> Query:
    """0 where nobody called: the quantile of nothing is no number, and a comparison drops it."""
    quantile = f"histogram_quantile({q}, {rate(CALL + '_bucket', 'le, rpc')})"
    return Query(f"({quantile} >= 0) or 0 * sum by (rpc) ({CALL}_count{{@}})", "{{rpc}} " + name)


FLOW = Row(
    "Order flow",
    (
        Panel(
            "Commands of agents",
            "Orders and cancels that the scenario's agents sent in a second.",
            "cps",
            (Query(rate(f"{BOOK}_commands_total", "kind", '{@,source="agents"}'), "{{kind}}"),),
        ),
        Panel(
            "What became of orders",
            "Order events of the book in a second: accepted, traded, cancelled, rejected and the rest.",
            "cps",
            (Query(rate(f"{BOOK}_executions_total", "kind"), "{{kind}}"),),
        ),
        Panel(
            "Rejections by reason",
            "Commands that the book rejected in a second; unknown_order is a cancel that came after the fill.",
            "cps",
            (Query(rate(f"{BOOK}_rejects_total", "reason"), "{{reason}}"),),
            constant=True,
        ),
        Panel(
            "Orders for a trade",
            "New orders divided by trades; it rises when makers quote and nobody takes.",
            "short",
            (
                Query(
                    f'sum(rate({BOOK}_commands_total{{@,kind="new"}}[$__rate_interval]))'
                    f" / sum(rate({BOOK}_trades_total{{@}}[$__rate_interval]))",
                    "orders for a trade",
                ),
            ),
        ),
        Panel(
            "Agents",
            "Agents of the run, and those that raised an error and were taken out.",
            "short",
            (
                Query(f"sum({ENGINE}_agents{{@}})", "agents"),
                Query(f"sum({ENGINE}_failed_agents{{@}})", "failed"),
            ),
            constant=True,
        ),
        Panel(
            "Events that wait",
            "Events and commands in the engine's queue; steady growth means agents that plan further and further ahead.",
            "short",
            (Query(f'sum({ENGINE}_store_used_entries{{@,store="events"}})', "events"),),
        ),
    ),
)

OUTSIDE = Row(
    "Orders from outside",
    (
        Panel(
            "Calls by outcome",
            "SubmitOrder and CancelOrder in a second: done, or the reason of the refusal.",
            "cps",
            (Query(rate(f"{BOOK}_outside_calls_total", "rpc, outcome"), "{{rpc}} {{outcome}}"),),
            constant=True,
        ),
        Panel(
            "Time of a call",
            "From a call's arrival to its answer, most of it the wait for the next window; 0 where nobody called.",
            "s",
            (call_time(0.5, "median"), call_time(0.95, "95 of 100")),
            constant=True,
        ),
        Panel(
            "Commands that wait",
            "Commands from outside that wait for the next window, and outside orders that are remembered.",
            "short",
            (
                Query(f'sum({BOOK}_store_used_entries{{@,store="outside_queue"}})', "waiting"),
                Query(f'sum({BOOK}_store_used_entries{{@,store="outside_orders"}})', "remembered orders"),
            ),
            constant=True,
        ),
    ),
)

LATENCY = Row(
    "Latency",
    (
        Panel(
            "Window in the engine",
            "Wall time of a window: agents, the way to the order book and back, and delivery; it bounds the speed.",
            "s",
            quantiles(f"{ENGINE}_window_duration_seconds"),
        ),
        Panel(
            "Window in the order book",
            "Time from a window's arrival at the book to its answer: decoding, matching, frames.",
            "s",
            quantiles(f"{BOOK}_window_duration_seconds"),
        ),
        Panel(
            "Mean window by part",
            "Wall time of an average window that agents took, and that passed until the order book had answered.",
            "s",
            (
                Query(
                    f'sum by (part) (rate({ENGINE}_spent_seconds_total{{@,part!="idle"}}[$__rate_interval]))'
                    f" / on () group_left () sum(rate({ENGINE}_windows_total{{@}}[$__rate_interval]))",
                    "{{part}}",
                ),
            ),
            "stacked",
        ),
        Panel(
            "Event loops",
            "How much later than planned each service's event loop turned; over a second it is near its limit.",
            "s",
            (Query("max by (service, pod) (marksim_service_loop_lag_seconds{@})", "{{service}} {{pod}}"),),
        ),
        Panel(
            "Windows sent again",
            "Windows in a second that the book answered from its record, after a connection broke.",
            "cps",
            (Query(f"sum(rate({BOOK}_windows_resent_total{{@}}[$__rate_interval]))", "sent again"),),
            constant=True,
        ),
        Panel(
            "Engine connected",
            "1 while a shard has its engine, and while the engine has its shard.",
            "bool_on_off",
            (
                Query(f"min by (pod) ({BOOK}_engine_connected{{@}})", "{{pod}} has an engine"),
                Query(f"min by (orderbook) ({ENGINE}_orderbook_connected{{@}})", "engine has {{orderbook}}"),
            ),
            constant=True,
        ),
    ),
)

DASHBOARD = Dashboard(
    "orders",
    "marksim: order flow and latency",
    "What agents and outside traders send, what becomes of it, and how long the market takes to answer.",
    (FLOW, OUTSIDE, LATENCY),
)
