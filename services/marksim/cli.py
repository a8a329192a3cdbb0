"""The `marksim` command: `marksim run` is the whole market, `marksim <service>` one service of it."""

import runpy
import sys
from typing import Final

import typer

COMMANDS: Final = {
    "run": ("marksim.main", "Run the whole market on this machine."),
    "replay": ("marksim.replay", "Serve a recorded session again, as it was, on the same ports."),
    "scenario": ("marksim.scenario", "List, show and check scenarios; print their schema for editors."),
    "simulate": ("marksim.offline", "Simulate hours or days of a scenario in seconds, and keep what happened."),
    "verify": ("marksim.journal verify", "Re-execute a recorded session and say whether the same comes out."),
    "journal": ("marksim.journal", "Describe, export, trim or move what an order book has recorded."),
    "pause": ("marksim.control pause", "Stop the clock of a running market."),
    "resume": ("marksim.control resume", "Let a paused market go on."),
    "step": ("marksim.control step", "Run so many windows of a paused market."),
    "speed": ("marksim.control speed", "Change the speed of a running market."),
    "until": ("marksim.control until", "Run a market until a time or an event, and pause it there."),
    "status": ("marksim.control status", "Say where the clock stands and what is slow."),
    "inject": ("marksim.control inject", "Make something happen: news, halt, fat-finger, withdraw, crash."),
    "dash": ("marksim.dash_consumer", "Run the dashboard beside a market."),
    "test-websocket": ("marksim.test_websocket", "Read a running market for a few seconds and check its ticks."),
    "release-test": ("marksim.release_test", "Trade on a running market and see the order everywhere; `helm test` runs it."),
    "kernels": ("marksim.kernels", "Compile the kernels, or load them from the cache, and list them."),
    "orderbook": ("marksim.orderbook", "Run the order book service."),
    "engine": ("marksim.engine", "Run the engine service."),
    "edge": ("marksim.edge", "Run the WebSocket edge."),
    "archiver": ("marksim.archiver", "Run the archiver service."),
    "memory": ("marksim.memory", "Run the memory monitor."),
    "dashboard": ("marksim.dashboard", "Run the dashboard service."),
}
"""Each command and what it runs, the same as `python -m <module>`; words behind the module are its first arguments."""

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    # A service's traceback goes to its log as Python writes it.
    pretty_exceptions_enable=False,
    help="A synthetic exchange. Each command has its own --help.",
)


def _add(name: str, module: str, text: str) -> None:
    # The module reads the flags itself, --help included, so both ways of starting are one.
    @app.command(
        name, help=text, add_help_option=False, context_settings={"ignore_unknown_options": True, "allow_extra_args": True}
    )
    def run(context: typer.Context) -> None:
        name, *first = module.split()
        sys.argv = [name, *first, *context.args]
        runpy.run_module(name, run_name="__main__", alter_sys=True)


for _name, (_module, _text) in COMMANDS.items():
    _add(_name, _module, _text)


def main() -> None:
    """Entry point of the `marksim` script."""
    app(prog_name="marksim")
