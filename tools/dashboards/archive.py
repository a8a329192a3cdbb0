"""The archive: what is stored, how far behind it is, and what is lost."""

from tools.dashboards.spec import Dashboard, Panel, Query, Row, number, quantiles

ARCHIVER = "marksim_archiver"
SINCE = f"max(time() - {ARCHIVER}_last_stored_timestamp_seconds{{@}})"
ROTATION = "10m"
"""Rows become files once a minute; a shorter span would show nothing between two of them."""

NOW = Row(
    "Now",
    (
        number(
            "Rows",
            "Rows in the archive, over all tables.",
            "short",
            Query(f"sum({ARCHIVER}_rows_total{{@}})", "rows"),
            constant=True,
        ),
        number(
            "Size",
            "Bytes of all Parquet files ever written into the archive.",
            "bytes",
            Query(f"sum({ARCHIVER}_bytes_total{{@}})", "size"),
            constant=True,
        ),
        number(
            "Since the last store",
            "Time since everything that had arrived was stored; about a minute is normal, and a paused market adds to it.",
            "s",
            Query(SINCE, "since the last store"),
        ),
        number(
            "Windows not stored",
            "Windows that arrived and are only in memory; after a crash they are read again from the order book.",
            "short",
            Query(f"sum({ARCHIVER}_unstored_windows{{@}})", "not stored"),
        ),
        number(
            "Gaps",
            "Spans of windows that the archive will never have.",
            "short",
            Query(f"sum({ARCHIVER}_gaps_total{{@}})", "gaps"),
            constant=True,
        ),
        number(
            "Disk free",
            "Share of the archive's disk that is free; the archive itself deletes nothing.",
            "percentunit",
            Query(f"min({ARCHIVER}_disk_free_bytes{{@}} / {ARCHIVER}_disk_size_bytes{{@}})", "free"),
            constant=True,
        ),
    ),
)

GROWTH = Row(
    "Growth",
    (
        Panel(
            "Rows by table",
            "Rows stored in a second, over the last ten minutes.",
            "cps",
            (Query(f"sum by (table) (rate({ARCHIVER}_rows_total{{@}}[{ROTATION}]))", "{{table}}"),),
            "stacked",
        ),
        Panel(
            "Bytes",
            "Bytes of Parquet files written in a second, over the last ten minutes.",
            "Bps",
            (Query(f"sum(rate({ARCHIVER}_bytes_total{{@}}[{ROTATION}]))", "written"),),
        ),
        Panel(
            "Files",
            "Parquet files in the archive; many small ones make queries slow.",
            "short",
            (Query(f"sum({ARCHIVER}_files_total{{@}})", "files"),),
            constant=True,
        ),
    ),
)

BEHIND = Row(
    "How far behind",
    (
        Panel(
            "Since the last store",
            "Time since everything that had arrived was stored; a saw tooth with teeth of about a minute.",
            "s",
            (Query(SINCE, "since the last store"),),
        ),
        Panel(
            "Windows not confirmed",
            "Windows done that the archiver has not confirmed to the order book, which must keep them for it.",
            "short",
            (Query("max by (reader) (marksim_orderbook_reader_behind_windows{@})", "{{reader}}"),),
        ),
        Panel(
            "Rows in memory",
            "Bytes of rows that wait for their file; at the bound they are written at once.",
            "bytes",
            (
                Query(f'sum({ARCHIVER}_store_used_bytes{{@,store="unstored_frames"}})', "waiting"),
                Query(f'sum({ARCHIVER}_store_capacity_bytes{{@,store="unstored_frames"}})', "bound"),
            ),
        ),
        Panel(
            "Age of what is read",
            "Age of the newest message of an order book when it was read, by both wall clocks.",
            "s",
            (Query(f"max by (orderbook) ({ARCHIVER}_lag_seconds{{@}})", "{{orderbook}}"),),
        ),
        Panel(
            "Time to store",
            "How long it took to write what had gathered and to make it visible, over the last ten minutes.",
            "s",
            quantiles(f"{ARCHIVER}_flush_duration_seconds", window=ROTATION),
            constant=True,
        ),
        Panel(
            "Connected",
            "1 while the stream of an order book is open, else 0.",
            "bool_on_off",
            (Query(f"min by (orderbook) ({ARCHIVER}_orderbook_connected{{@}})", "{{orderbook}}"),),
            constant=True,
        ),
    ),
)

TROUBLE = Row(
    "Trouble",
    (
        Panel(
            "Gaps",
            "Spans of windows that were lost in the last hour.",
            "short",
            (Query(f"sum(increase({ARCHIVER}_gaps_total{{@}}[1h]))", "gaps"),),
            constant=True,
        ),
        Panel(
            "Refused writes",
            "Attempts to write in the last hour that the system refused; the rows are kept, and written later.",
            "short",
            (Query(f"sum(increase({ARCHIVER}_write_failures_total{{@}}[1h]))", "refused"),),
            constant=True,
        ),
        Panel(
            "Frames that came again",
            "Frames that were read twice in the last hour and stored once, after a connection broke.",
            "short",
            (Query(f"sum by (orderbook) (increase({ARCHIVER}_double_frames_total{{@}}[1h]))", "{{orderbook}}"),),
            constant=True,
        ),
    ),
)

DASHBOARD = Dashboard(
    "archive",
    "marksim: archive",
    "What is stored, how far behind the market it is, and what is lost.",
    (NOW, GROWTH, BEHIND, TROUBLE),
)
