"""Memory and processes of all services, as they tell themselves and as the memory monitor hears them."""

from tools.dashboards.spec import Dashboard, Panel, Query, Row, number

SERVICE = "marksim_service"
TARGET = "marksim_memory_target"
BY_PROCESS = "max by (service, pod)"
STORE = f"sum by (target, store) ({TARGET}_store"

NOW = Row(
    "Now",
    (
        number(
            "Memory of the market",
            "Resident memory of all services together.",
            "bytes",
            Query(f"sum({SERVICE}_resident_bytes{{@}})", "resident"),
            width=6,
        ),
        number(
            "Fullest",
            "The largest share of its memory limit that a service uses; without a limit, of the machine's memory.",
            "percentunit",
            Query(f"max({SERVICE}_resident_bytes{{@}} / {SERVICE}_memory_limit_bytes{{@}})", "share of the limit"),
            width=6,
        ),
        number(
            "Services that answer",
            "Share of the services that answered the memory monitor's last poll.",
            "percentunit",
            Query(f"avg({TARGET}_up{{@}})", "up"),
            constant=True,
            width=6,
        ),
        number(
            "Restarts in the last hour",
            "Times that a service came back as another process.",
            "short",
            Query(f"sum(increase({TARGET}_restarts_total{{@}}[1h]))", "restarts"),
            constant=True,
            width=6,
        ),
    ),
)

PROCESSES = Row(
    "Processes",
    (
        Panel(
            "Resident memory",
            "Memory of each process that is in RAM.",
            "bytes",
            (Query(f"{BY_PROCESS} ({SERVICE}_resident_bytes{{@}})", "{{service}} {{pod}}"),),
            width=12,
        ),
        Panel(
            "Share of the limit",
            "Resident memory by the container's limit; at 100 percent the kernel kills the process.",
            "percentunit",
            (
                Query(
                    f"{BY_PROCESS} ({SERVICE}_resident_bytes{{@}} / {SERVICE}_memory_limit_bytes{{@}})",
                    "{{service}} {{pod}}",
                ),
            ),
            width=12,
        ),
        Panel(
            "Growth",
            "What each process would grow in an hour at the pace of the last 15 minutes; near 0 once its stores are full.",
            "bytes",
            (Query(f"3600 * {BY_PROCESS} (deriv({SERVICE}_resident_bytes{{@}}[15m]))", "{{service}} {{pod}}"),),
            from_zero=False,
        ),
        Panel(
            "Processor time",
            "Processor cores that each service uses; one Python service cannot use much more than one.",
            "suffix: cores",
            (Query(f"sum by (target) (rate({TARGET}_cpu_seconds_total{{@}}[$__rate_interval]))", "{{target}}"),),
        ),
        Panel(
            "Threads and open files",
            "Threads and file descriptors of each service; either grows where something is not closed.",
            "short",
            (
                Query(f"max by (target) ({TARGET}_threads{{@}})", "{{target}} threads"),
                Query(f"max by (target) ({TARGET}_open_files{{@}})", "{{target}} files"),
            ),
            constant=True,
        ),
    ),
)

STORES = Row(
    "Stores",
    (
        Panel(
            "Bytes in stores",
            "What the bounded places of each service hold: pools, rings, buffers and queues.",
            "bytes",
            (Query(f"{STORE}_used_bytes{{@}}) > 0", "{{target}} {{store}}"),),
            width=12,
        ),
        Panel(
            "Fill of stores",
            "Entries by capacity; a full ring forgets its oldest, a full pool or queue refuses.",
            "percentunit",
            (
                Query(
                    f"{STORE}_used_entries{{@}}) / ({STORE}_capacity_entries{{@}}) > 0)",
                    "{{target}} {{store}}",
                ),
            ),
            width=12,
        ),
        Panel(
            "Dropped or refused at a bound",
            "Entries in a second that a full store dropped or refused; a ring that is full drops all the time, by design.",
            "cps",
            (
                Query(
                    f"sum by (target, store) (rate({TARGET}_store_dropped_total{{@}}[$__rate_interval]))",
                    "{{target}} {{store}}",
                ),
            ),
            width=12,
            constant=True,
        ),
        Panel(
            "Restarts and state",
            "Restarts of each service since the memory monitor started, and whether it answers now (1) or not (0).",
            "short",
            (
                Query(f"sum by (target) ({TARGET}_restarts_total{{@}})", "{{target}} restarts"),
                Query(f"min by (target) ({TARGET}_up{{@}})", "{{target}} up"),
            ),
            width=12,
            constant=True,
        ),
    ),
)

DASHBOARD = Dashboard(
    "memory",
    "marksim: memory",
    "Memory, stores, processor time and restarts of every service.",
    (NOW, PROCESSES, STORES),
)
