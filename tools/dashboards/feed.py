"""The feed and its clients: what comes in, what goes out, how late, and who could not keep up."""

from tools.dashboards.spec import Dashboard, Panel, Query, Row, number, quantiles, rate

EDGE = "marksim_edge"

NOW = Row(
    "Now",
    (
        number(
            "Clients",
            "WebSocket clients that get the feed now, over all edges.",
            "short",
            Query(f"sum({EDGE}_clients{{@}})", "clients"),
            constant=True,
        ),
        number(
            "Late clients",
            "Clients that do not keep up now, and will get fewer, newer messages.",
            "short",
            Query(f"sum({EDGE}_late_clients{{@}})", "late"),
            constant=True,
        ),
        number(
            "Ticks a second",
            "Ticks that came from the order books.",
            "cps",
            Query(f"sum(rate({EDGE}_ticks_total{{@}}[$__rate_interval]))", "ticks"),
        ),
        number(
            "Bytes a second",
            "Bytes of messages written to all clients.",
            "Bps",
            Query(f"sum(rate({EDGE}_sent_bytes_total{{@}}[$__rate_interval]))", "sent"),
            constant=True,
        ),
        number(
            "Cut off in the last hour",
            "Clients that an edge closed for what they did or did not do.",
            "short",
            Query(f"sum(increase({EDGE}_cut_off_total{{@}}[1h]))", "cut off"),
            constant=True,
        ),
        number(
            "Order books connected",
            "Share of the order books' streams that are open, over all edges.",
            "percentunit",
            Query(f"avg({EDGE}_upstream_connected{{@}})", "connected"),
            constant=True,
        ),
    ),
)

TRAFFIC = Row(
    "Traffic",
    (
        Panel(
            "Clients by edge",
            "Clients of each edge; a restarted edge loses its own and gets them back by and by.",
            "short",
            (Query(f"sum by (pod) ({EDGE}_clients{{@}})", "{{pod}}"),),
            constant=True,
        ),
        Panel(
            "Ticks in, messages out",
            "Ticks that came from the order books, and messages that all clients together were sent, in a second.",
            "cps",
            (
                Query(f"sum(rate({EDGE}_ticks_total{{@}}[$__rate_interval]))", "ticks in"),
                Query(f"sum(rate({EDGE}_messages_total{{@}}[$__rate_interval]))", "messages out"),
            ),
        ),
        Panel(
            "Bytes out by edge",
            "Bytes of messages that each edge wrote in a second.",
            "Bps",
            (Query(rate(f"{EDGE}_sent_bytes_total", "pod"), "{{pod}}"),),
            constant=True,
        ),
        Panel(
            "Connections",
            "Clients admitted and connections refused in a second; full: an edge has all clients it may have.",
            "cps",
            (
                Query(f"sum(rate({EDGE}_connects_total{{@}}[$__rate_interval]))", "admitted"),
                Query(rate(f"{EDGE}_refused_total", "reason"), "refused: {{reason}}"),
            ),
            constant=True,
        ),
        Panel(
            "Messages of clients",
            "Messages that clients sent in a second; the feed ignores them, and cuts off who floods it.",
            "cps",
            (Query(f"sum(rate({EDGE}_ignored_messages_total{{@}}[$__rate_interval]))", "ignored"),),
            constant=True,
        ),
        Panel(
            "Bytes on their way to clients",
            "What the edges hold for clients whose connection is slower than the feed.",
            "bytes",
            (Query(f'sum by (pod) ({EDGE}_store_used_bytes{{@,store="client_buffers"}})', "{{pod}}"),),
            constant=True,
        ),
    ),
)

DELAY = Row(
    "Delay",
    (
        Panel(
            "Age of a tick when it is written",
            "Time from the order book's sending to the edge's writing, by both wall clocks; about half a flush interval.",
            "s",
            quantiles(f"{EDGE}_tick_age_seconds"),
            width=12,
        ),
        Panel(
            "Time of a flush",
            "How long one common write to all clients takes; beyond the flush interval ticks wait.",
            "s",
            quantiles(f"{EDGE}_flush_seconds"),
            width=12,
        ),
    ),
)

LOSS = Row(
    "Who could not keep up",
    (
        Panel(
            "Conflated ticks",
            "Ticks in a second that a client got only as part of a newer one, or that no client got for want of room.",
            "cps",
            (Query(rate(f"{EDGE}_conflated_total", "pod"), "{{pod}}"),),
            width=6,
            constant=True,
        ),
        Panel(
            "Clients cut off",
            "Clients closed in five minutes: stalled read nothing, buffer held too much, silent gave no pong.",
            "short",
            (Query(f"sum by (reason) (increase({EDGE}_cut_off_total{{@}}[5m]))", "{{reason}}"),),
            width=6,
            constant=True,
        ),
        Panel(
            "Order book streams",
            "Streams lost, gaps told and falls to reading only the newest, in the last five minutes.",
            "short",
            (
                Query(f"sum(increase({EDGE}_upstream_lost_total{{@}}[5m]))", "lost"),
                Query(f"sum(increase({EDGE}_upstream_gaps_total{{@}}[5m]))", "gaps"),
                Query(f"sum(increase({EDGE}_upstream_latest_total{{@}}[5m]))", "only the newest"),
            ),
            width=6,
            constant=True,
        ),
        Panel(
            "Edges connected to order books",
            "1 while an edge's stream of an order book is open, else 0.",
            "bool_on_off",
            (Query(f"min by (pod, orderbook) ({EDGE}_upstream_connected{{@}})", "{{pod}} to {{orderbook}}"),),
            width=6,
            constant=True,
        ),
    ),
)

DASHBOARD = Dashboard(
    "feed",
    "marksim: feed and clients",
    "WebSocket clients, what they are sent and how late, and what happened to those that could not keep up.",
    (NOW, TRAFFIC, DELAY, LOSS),
)
