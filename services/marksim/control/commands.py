"""The commands. Each is one call of EngineService and one line of answer; `until` and `status --watch` stay for a while."""

import sys
from typing import Annotated, Any, Final, Self

import typer
from rich.console import Console
from rich.live import Live
from rich.text import Text

from marksim.control import call
from marksim.control.call import CALL_S, Stub
from marksim.control.lines import json_line, long_lines, moment_text, short_line
from marksim.control.words import UNTIL_FORMS, ppm_of, sells, speed_of, until_request
from marksim.runtime.durations import parse_duration_ns
from marksim.runtime.ports import check_peer
from marksim.v1 import engine_pb2 as pb

# `-2%` is an argument, and no option that is unknown.
_SIGNED: Final = {"ignore_unknown_options": True}

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help="Steer a running market.")
inject = typer.Typer(no_args_is_help=True, help="Make something happen in a running market.")
app.add_typer(inject, name="inject")


def _peer(address: str) -> str:
    try:
        check_peer(address)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    return address


Engine = Annotated[str, typer.Option(help="Address of the engine's gRPC.", envvar="MARKSIM_CONTROL__ENGINE", callback=_peer)]
Symbol = Annotated[str, typer.Argument(metavar="SYMBOL", help="Such as BTC/USD.")]
Duration = Annotated[str, typer.Argument(metavar="DURATION", help="Simulated time such as 60s, 5m or 1.5h.")]
HERE: Final = "localhost:50052"


@app.command()
def pause(engine: Engine = HERE) -> None:
    """Stop the clock after the window it is in."""
    typer.echo(short_line(call.run(engine, lambda stub: stub.Pause(pb.PauseRequest(), timeout=CALL_S)).status))


@app.command()
def resume(engine: Engine = HERE) -> None:
    """Let a paused clock go on, without catching up."""
    typer.echo(short_line(call.run(engine, lambda stub: stub.Resume(pb.ResumeRequest(), timeout=CALL_S)).status))


@app.command()
def step(
    windows: Annotated[int, typer.Argument(metavar="WINDOWS", help="How many windows.", min=1, max=2**32 - 1)] = 1,
    engine: Engine = HERE,
) -> None:
    """Run windows of a paused market as fast as it can; returns when they are done, Ctrl-C ends it before."""
    typer.echo(short_line(call.run(engine, lambda stub: stub.Step(pb.StepRequest(windows=windows))).status))


@app.command()
def speed(
    speed: Annotated[str, typer.Argument(metavar="SPEED", help="Simulated seconds a wall second, such as 50, or max.")],
    engine: Engine = HERE,
) -> None:
    """Change the speed, without a jump in simulated time."""

    async def work(stub: Stub) -> pb.EngineStatus:
        return (await stub.SetSpeed(pb.SetSpeedRequest(speed=speed_of(speed)), timeout=CALL_S)).status

    typer.echo(short_line(call.run(engine, work)))


@app.command()
def until(
    until: Annotated[str, typer.Argument(metavar="UNTIL", help=UNTIL_FORMS)],
    wait: Annotated[bool, typer.Option(help="Stay until it is there; Ctrl-C leaves the market running.")] = True,
    engine: Engine = HERE,
) -> None:
    """Go on at the present speed and pause at a simulated time, or after the window in which something happens.

    Prices are decimals, trades at the price count. Ends with 1 where somebody paused the market before.
    """

    async def work(stub: Stub) -> pb.EngineStatus:
        status = (await stub.RunUntil(until_request(until), timeout=CALL_S)).status
        return await _reached(stub) if wait else status

    status = call.run(engine, work)
    typer.echo(short_line(status))
    if wait and (status.state not in (pb.CLOCK_STATE_PAUSED, pb.CLOCK_STATE_FINISHED) or not status.message):
        call.end(call.REFUSED, "the market stopped before")


async def _reached(stub: Stub) -> pb.EngineStatus:
    """The status at which it no longer runs until anything."""
    status = pb.EngineStatus()
    with _Display() as display:
        async for update in stub.WatchStatus(pb.WatchStatusRequest(interval_ms=250)):
            status = update.status
            if not status.running_until:
                break
            display.show(short_line(status))
    return status


@app.command()
def status(
    watch: Annotated[bool, typer.Option("--watch", help="Go on, once a second, until Ctrl-C.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON, one object a line.")] = False,
    engine: Engine = HERE,
) -> None:
    """Say where the clock stands, how it keeps up, and what is slow."""

    def text_of(status: pb.EngineStatus) -> str:
        return json_line(status) if as_json else "\n".join(long_lines(status))

    async def work(stub: Stub) -> None:
        if not watch:
            typer.echo(text_of((await stub.GetStatus(pb.GetStatusRequest(), timeout=CALL_S)).status))
            return
        with _Display(live=not as_json) as display:
            async for update in stub.WatchStatus(pb.WatchStatusRequest()):
                display.show(text_of(update.status))
                if not display.is_live:
                    typer.echo(json_line(update.status) if as_json else short_line(update.status))

    call.run(engine, work)


@inject.command(context_settings=_SIGNED)
def news(
    symbol: Symbol,
    change: Annotated[str, typer.Argument(metavar="CHANGE", help="Such as -2% or 0.5%.")],
    engine: Engine = HERE,
) -> None:
    """The fundamental value moves at once."""
    _inject(
        engine, lambda: pb.InjectEventRequest(news_shock=pb.NewsShock(symbol=symbol, change_ppm=ppm_of(change, "CHANGE")))
    )


@inject.command()
def halt(symbol: Symbol, duration: Duration, engine: Engine = HERE) -> None:
    """Trading stops, and resumes with an auction."""
    _inject(engine, lambda: pb.InjectEventRequest(halt=pb.Halt(symbol=symbol, duration_ns=_duration(duration))))


@inject.command()
def fat_finger(
    symbol: Symbol,
    side: Annotated[str, typer.Argument(metavar="SIDE", help="buy or sell")],
    quantity: Annotated[str, typer.Argument(metavar="QUANTITY", help="In base units, such as 250.")],
    engine: Engine = HERE,
) -> None:
    """One market order far too large."""

    def request() -> pb.InjectEventRequest:
        return pb.InjectEventRequest(fat_finger=pb.FatFinger(symbol=symbol, sell=sells(side), quantity=quantity))

    _inject(engine, request)


Share = Annotated[str, typer.Option(help="Of those who provide liquidity.")]


@inject.command()
def withdraw(symbol: Symbol, duration: Duration, share: Share = "100%", engine: Engine = HERE) -> None:
    """Who provides liquidity cancels all and stays away for a while."""

    def request() -> pb.InjectEventRequest:
        event = pb.LiquidityWithdrawal(symbol=symbol, duration_ns=_duration(duration), share_ppm=ppm_of(share, "--share"))
        return pb.InjectEventRequest(liquidity_withdrawal=event)

    _inject(engine, request)


@inject.command()
def crash(
    symbol: Symbol,
    quantity: Annotated[str, typer.Argument(metavar="QUANTITY", help="All that is sold, in base units.")],
    duration: Duration,
    every: Annotated[str, typer.Option(help="Time between two of its orders.")] = "200ms",
    share: Share = "70%",
    engine: Engine = HERE,
) -> None:
    """Liquidity is withdrawn while one account sells in equal market orders."""

    def request() -> pb.InjectEventRequest:
        event = pb.FlashCrash(symbol=symbol, quantity=quantity, duration_ns=_duration(duration))
        event.interval_ns, event.share_ppm = parse_duration_ns(every, "--every"), ppm_of(share, "--share")
        return pb.InjectEventRequest(flash_crash=event)

    _inject(engine, request)


def _duration(text: str) -> int:
    return parse_duration_ns(text, "DURATION")


def _inject(engine: str, request: Any) -> None:
    async def work(stub: Stub) -> str:
        window = (await stub.InjectEvent(request(), timeout=CALL_S)).window
        status = (await stub.GetStatus(pb.GetStatusRequest(), timeout=CALL_S)).status
        return f"in window {window:,}, at {moment_text(status.start_time_ns + window * status.lookahead_ns)}"

    typer.echo(call.run(engine, work))


class _Display:
    """A text that refreshes in place on a terminal; elsewhere it shows nothing."""

    def __init__(self, *, live: bool = True) -> None:
        self.is_live = live and sys.stdout.isatty()
        self._live = Live("", console=Console(highlight=False), transient=True, auto_refresh=False)

    def __enter__(self) -> Self:
        if self.is_live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.is_live:
            self._live.stop()

    def show(self, text: str) -> None:
        if self.is_live:
            self._live.update(Text(text), refresh=True)


def main() -> None:
    """Entry point of `python -m marksim.control`."""
    app(prog_name="marksim")
