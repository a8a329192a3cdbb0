"""Which processes make a market on one machine, with which flags and ports."""

import os
import uuid

from marksim.runtime.settings import env_prefix, join_list
from marksim.supervisor.child import ChildSpec
from marksim.supervisor.ports import PortNeed
from marksim.supervisor.settings import HTTP_CHILDREN, MainSettings

CHILDREN = ("orderbook", "engine", "edge", "archiver", "memory")
# What reads ends before what it reads from, so that nothing is cut off: the edge says goodbye to its clients, the engine
# stops the clock. Archiver and book go together: the book waits for the archiver, and the archiver for its goodbye.
STAGES = (("memory", "edge"), ("engine",), ("archiver", "orderbook"))


def children(settings: MainSettings) -> tuple[ChildSpec, ...]:
    """The children in the order of their start."""
    addresses = grpc_addresses(settings)
    book = ("--orderbook", addresses["orderbook"])
    speed = ["--speed", settings.speed] if settings.speed else []
    until = ["--until", settings.until] if settings.until else []
    own = {
        "orderbook": _of_book(settings),
        "engine": [*book, *_of_engine(settings), *speed, *until],
        "edge": [*book, "--port", str(settings.port)],
        "archiver": [*book, "--dir", str(settings.archive)],
        "memory": _targets(settings),
    }
    common = ["--log-level", settings.log_level, "--log-format", "json"]
    if settings.host:
        common += ["--host", settings.host]
    return tuple(
        ChildSpec(
            name,
            f"marksim.{name}",
            (
                *("--grpc-port", str(grpc_ports(settings)[name])),
                *("--http-port", str(settings.http_port_of(name))),
                *common,
                *arguments,
            ),
        )
        for name, arguments in own.items()
        if name in names(settings)
    )


def names(settings: MainSettings) -> tuple[str, ...]:
    """The children there are, in the order of their start: nothing is stored of a session that is recorded already."""
    return tuple(name for name in CHILDREN if name != "archiver" or settings.replay is None)


def _of_book(settings: MainSettings) -> list[str]:
    if settings.replay is not None:
        begin = ["--replay-from", settings.replay_from] if settings.replay_from else []
        return ["--replay", str(settings.replay), *begin]
    journal = ["--durability", settings.durability, "--journal", str(settings.journal)]
    if settings.new_run:
        # A name for this start: a book that is started again by its supervisor goes on with the run that began here.
        journal += ["--new-run", uuid.uuid4().hex]
    return [*_scenario(settings), *journal]


def _of_engine(settings: MainSettings) -> list[str]:
    if settings.replay is not None:
        return ["--replay", str(settings.replay)]
    seed = [] if settings.seed is None else ["--seed", str(settings.seed)]
    return [*_scenario(settings), *seed, "--state", str(settings.state)]


def _scenario(settings: MainSettings) -> list[str]:
    overrides = ["--set", join_list(settings.set)] if settings.set else []
    return ["--scenario", settings.scenario, *overrides]


def _targets(settings: MainSettings) -> list[str]:
    """Whom the memory monitor asks; nothing where its own environment says it, which a flag would overrule."""
    if env_prefix("memory") + "TARGETS" in os.environ:
        return []
    addresses = grpc_addresses(settings)
    asked = {name: addresses[name] for name in names(settings) if name != "memory"}
    # Not a child: whoever starts it does so beside the market, before or after it, and it binds an address of its own.
    asked["dashboard"] = f"localhost:{settings.dashboard_grpc_port}"
    return ["--targets", ",".join(f"{name}={address}" for name, address in asked.items())]


def grpc_addresses(settings: MainSettings) -> dict[str, str]:
    """Where each child answers gRPC, as seen from this machine."""
    return {name: settings.reach(port) for name, port in grpc_ports(settings).items()}


def grpc_ports(settings: MainSettings) -> dict[str, int]:
    """The gRPC port of each child."""
    ports = {
        "orderbook": settings.orderbook_port,
        "engine": settings.engine_port,
        "edge": settings.edge_port,
        "archiver": settings.archiver_port,
        "memory": settings.memory_port,
    }
    return {name: ports[name] for name in names(settings)}


def port_needs(settings: MainSettings) -> tuple[PortNeed, ...]:
    """Every port that the children will listen on."""
    needs = [PortNeed(settings.port, "WebSocket server", "--port")]
    needs += [PortNeed(port, f"{name} gRPC", f"--{name}-port") for name, port in grpc_ports(settings).items()]
    needs += [
        PortNeed(settings.http_port_of(name), f"{name} metrics", "--http-port-base")
        for name in HTTP_CHILDREN
        if name in names(settings)
    ]
    needs.append(PortNeed(settings.memory_http_port, "memory page", "--memory-http-port"))
    return tuple(needs)


def listing(settings: MainSettings, goes_on: str = "") -> list[str]:
    """What is where, as printed at the start; `goes_on` is the run that is there already."""
    rows = [
        ("ticks", _feed(settings), "try: python -m marksim.test_websocket" + _flag("--url", settings)),
        ("dashboard", "http://localhost:8050", "start it with: " + _dashboard(settings)),
    ]
    for name, address in grpc_addresses(settings).items():
        page = "metrics" if name == "memory" else "/metrics"
        url = f"http://{settings.reach(settings.http_port_of(name))}"
        rows.append((name, f"{address} (gRPC)", url + ("/" if page == "metrics" else page)))
    if settings.replay is not None:
        begin = f"played again from {settings.replay_from}" if settings.replay_from else "played again"
        rows.append(("recording", str(settings.replay), begin))
    elif settings.durability != "none":
        does = f"run {goes_on[:8]} goes on; --new-run begins another" if goes_on else "a run begins; the next start goes on"
        rows.append(("journal", str(settings.journal), does))
    if settings.replay is None:
        rows.append(("archive", str(settings.archive), "Parquet"))
    rows.append(("logs", str(settings.logs), "one file a service"))
    return [f"  {what:<10} {where:<26} {more}" for what, where, more in rows]


def _feed(settings: MainSettings) -> str:
    return f"ws://{settings.reach(settings.port)}"


def _dashboard(settings: MainSettings) -> str:
    port = settings.dashboard_grpc_port
    own = "" if port == MainSettings.model_fields["dashboard_grpc_port"].default else f" --grpc-port {port}"
    return "python -m marksim.dash_consumer" + _flag("--feed", settings) + own


def _flag(name: str, settings: MainSettings) -> str:
    """What a consumer must be told to find the feed; nothing where it looks there anyway."""
    return "" if _feed(settings) == "ws://localhost:8765" else f" {name} {_feed(settings)}"
