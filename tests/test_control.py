"""The commands that steer a running market, against an engine that records what it is asked."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest
from typer.testing import CliRunner, Result

from marksim.control.commands import app
from marksim.core.errors import MarksimError, NotNow
from marksim.runtime.errors import DETAILS_KEY, code_of, error_status
from marksim.v1 import engine_pb2 as pb
from marksim.v1 import engine_pb2_grpc

BTC = "BTC/USD"
START = 1_736_121_600_000_000_000
S = 1_000_000_000


class Engine(engine_pb2_grpc.EngineServiceServicer):
    """Answers every call with one status and keeps the requests; refuses with `error` where it is set."""

    def __init__(self) -> None:
        self.status = pb.EngineStatus(
            run="0f1e2d3c-run",
            scenario="default",
            seed=7,
            state=pb.CLOCK_STATE_PAUSED,
            simulated_time_ns=START + 90 * S,
            start_time_ns=START,
            windows=1_800,
            lookahead_ns=50_000_000,
            speed=pb.Speed(factor=10),
        )
        self.updates: list[pb.EngineStatus] = []
        self.requests: list[Any] = []
        self.error: MarksimError | None = None
        self.address = ""

    def _note(self, request: Any, context: Any) -> pb.EngineStatus:
        self.requests.append(request)
        if self.error is not None:
            context.set_trailing_metadata(((DETAILS_KEY, error_status(self.error).SerializeToString()),))
            context.abort(code_of(self.error), self.error.message)
        return self.status

    def GetStatus(self, request: Any, context: Any) -> Any:
        return pb.GetStatusResponse(status=self.status)

    def Pause(self, request: Any, context: Any) -> Any:
        return pb.PauseResponse(status=self._note(request, context))

    def Resume(self, request: Any, context: Any) -> Any:
        return pb.ResumeResponse(status=self._note(request, context))

    def Step(self, request: Any, context: Any) -> Any:
        return pb.StepResponse(status=self._note(request, context))

    def SetSpeed(self, request: Any, context: Any) -> Any:
        return pb.SetSpeedResponse(status=self._note(request, context))

    def RunUntil(self, request: Any, context: Any) -> Any:
        return pb.RunUntilResponse(status=self._note(request, context))

    def InjectEvent(self, request: Any, context: Any) -> Any:
        self._note(request, context)
        return pb.InjectEventResponse(window=2_400)

    def WatchStatus(self, request: Any, context: Any) -> Any:
        yield from (pb.WatchStatusResponse(status=status) for status in self.updates)


@pytest.fixture
def engine() -> Iterator[Engine]:
    """It listens on a free port of loopback."""
    servicer = Engine()
    server = grpc.server(ThreadPoolExecutor(2))
    engine_pb2_grpc.add_EngineServiceServicer_to_server(servicer, server)
    servicer.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    yield servicer
    server.stop(None).wait()


def marksim(engine: Engine, *words: str) -> Result:
    return CliRunner().invoke(app, [*words, "--engine", engine.address])


@pytest.mark.parametrize(
    ("words", "request_"),
    [
        (["pause"], pb.PauseRequest()),
        (["resume"], pb.ResumeRequest()),
        (["step"], pb.StepRequest(windows=1)),
        (["step", "20"], pb.StepRequest(windows=20)),
        (["speed", "50"], pb.SetSpeedRequest(speed=pb.Speed(factor=50))),
        (["speed", "max"], pb.SetSpeedRequest(speed=pb.Speed(max=True))),
    ],
)
def test_a_command_is_one_call_and_one_line(engine: Engine, words: list[str], request_: Any) -> None:
    """The line says where the clock stands."""
    result = marksim(engine, *words)
    assert (result.exit_code, engine.requests) == (0, [request_])
    assert result.stdout == "paused at 2025-01-06 00:01:30.000 UTC, 1,800 windows done, 10x\n"


def event(kind: int, **fields: Any) -> pb.RunUntilRequest:
    return pb.RunUntilRequest(event=pb.RunUntilEvent(kind=pb.RunUntilKind.Name(kind), **fields))


@pytest.mark.parametrize(
    ("until", "request_"),
    [
        ("2025-01-06T12:00:00", pb.RunUntilRequest(simulated_time_ns=START + 12 * 3_600 * S)),
        ("+90s", pb.RunUntilRequest(for_ns=90 * S)),
        ("6.5h", pb.RunUntilRequest(for_ns=23_400 * S)),
        ("trade", event(pb.RUN_UNTIL_KIND_TRADE)),
        ("trade:BTC/USD", event(pb.RUN_UNTIL_KIND_TRADE, symbol=BTC)),
        ("session:BTC/USD", event(pb.RUN_UNTIL_KIND_SESSION_CHANGE, symbol=BTC)),
        ("above:BTC/USD:50000.50", event(pb.RUN_UNTIL_KIND_PRICE_AT_OR_ABOVE, symbol=BTC, price="50000.50")),
        ("below:A:B:1", event(pb.RUN_UNTIL_KIND_PRICE_AT_OR_BELOW, symbol="A:B", price="1")),
        ("failure", event(pb.RUN_UNTIL_KIND_AGENT_FAILURE)),
    ],
)
def test_until_takes_a_time_a_duration_or_an_event(engine: Engine, until: str, request_: Any) -> None:
    """As people write them."""
    assert marksim(engine, "until", until, "--no-wait").exit_code == 0
    assert engine.requests == [request_]


def test_until_stays_until_it_is_there(engine: Engine) -> None:
    """The last line says what it came to; whoever pauses before makes it end with 1."""
    running = pb.EngineStatus(state=pb.CLOCK_STATE_RUNNING, running_until="a trade in BTC/USD", speed=pb.Speed(max=True))
    there = pb.EngineStatus(state=pb.CLOCK_STATE_PAUSED, message="BTC/USD traded at 50000.00", speed=pb.Speed(max=True))
    engine.updates = [running, running, there, running]
    result = marksim(engine, "until", "trade")
    assert (result.exit_code, result.stdout.count("\n")) == (0, 1)
    assert result.stdout.endswith("BTC/USD traded at 50000.00\n")
    engine.updates = [running, pb.EngineStatus(state=pb.CLOCK_STATE_PAUSED, speed=pb.Speed(max=True))]
    result = marksim(engine, "until", "trade")
    assert (result.exit_code, result.stderr) == (1, "marksim: the market stopped before\n")


@pytest.mark.parametrize(
    ("words", "request_"),
    [
        ("news BTC/USD -2%", pb.InjectEventRequest(news_shock=pb.NewsShock(symbol=BTC, change_ppm=-20_000))),
        ("news BTC/USD 0.5%", pb.InjectEventRequest(news_shock=pb.NewsShock(symbol=BTC, change_ppm=5_000))),
        ("halt BTC/USD 5m", pb.InjectEventRequest(halt=pb.Halt(symbol=BTC, duration_ns=300 * S))),
        (
            "fat-finger BTC/USD sell 250",
            pb.InjectEventRequest(fat_finger=pb.FatFinger(symbol=BTC, sell=True, quantity="250")),
        ),
        ("fat-finger BTC/USD buy 0.5", pb.InjectEventRequest(fat_finger=pb.FatFinger(symbol=BTC, quantity="0.5"))),
        (
            "withdraw BTC/USD 60s",
            pb.InjectEventRequest(
                liquidity_withdrawal=pb.LiquidityWithdrawal(symbol=BTC, duration_ns=60 * S, share_ppm=1_000_000)
            ),
        ),
        (
            "crash BTC/USD 1000 60s --every 100ms --share 50%",
            pb.InjectEventRequest(
                flash_crash=pb.FlashCrash(
                    symbol=BTC, quantity="1000", duration_ns=60 * S, interval_ns=S // 10, share_ppm=500_000
                )
            ),
        ),
    ],
)
def test_an_injected_event_is_answered_with_its_window(engine: Engine, words: str, request_: Any) -> None:
    """And with the simulated time at which that begins."""
    result = marksim(engine, "inject", *words.split())
    assert (result.exit_code, engine.requests) == (0, [request_])
    assert result.stdout == "in window 2,400, at 2025-01-06 00:02:00.000 UTC\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("speed fast", "SPEED is 'fast': write simulated seconds a wall second, such as 50, or max"),
        ("until later", "UNTIL is 'later': write 2025-01-06T12:00:00, +90s, trade"),
        ("until above:BTC/USD", "UNTIL is 'above:BTC/USD': write above:SYMBOL:PRICE"),
        ("inject news BTC/USD 2", "CHANGE is '2': write a percentage such as -2% or 0.5%"),
        ("inject news BTC/USD 0%", "not zero"),
        ("inject halt BTC/USD 5", "DURATION is '5': write a number and a unit"),
        ("inject fat-finger BTC/USD short 5", "SIDE is 'short': write buy or sell"),
        ("step 0", "'WINDOWS'"),
        ("inject halt BTC/USD", "Missing argument 'DURATION'"),
        ("pause --engine nowhere", "is not written host:port"),
    ],
)
def test_wrong_usage_ends_with_2_and_asks_nobody(engine: Engine, words: str, said: str) -> None:
    """The sentence names what is wrong and how to write it."""
    result = CliRunner(env={"MARKSIM_CONTROL__ENGINE": engine.address, "COLUMNS": "400"}).invoke(app, words.split())
    assert (result.exit_code, engine.requests) == (2, [])
    assert said in result.stderr


def test_a_refusal_ends_with_1_and_its_sentence(engine: Engine) -> None:
    """As the engine says it."""
    engine.error = NotNow("the market is running: pause it before stepping", reason="NOT_PAUSED")
    result = marksim(engine, "step")
    assert (result.exit_code, result.stderr) == (1, "marksim: the market is running: pause it before stepping\n")


def test_nobody_there_ends_with_3() -> None:
    """With what to do about it."""
    result = CliRunner().invoke(app, ["pause", "--engine", "127.0.0.1:1"])
    assert result.exit_code == 3
    assert result.stderr.startswith("marksim: no engine answers at 127.0.0.1:1: start one")


def test_who_answers_but_is_no_engine_is_said() -> None:
    """Such as the order book's port."""
    server = grpc.server(ThreadPoolExecutor(1))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    result = CliRunner().invoke(app, ["status", "--engine", f"127.0.0.1:{port}"])
    server.stop(None).wait()
    assert (result.exit_code, "is no engine" in result.stderr) == (3, True)


def test_status_tells_people_all(engine: Engine) -> None:
    """What is slow and what is waited for only where there is something."""
    engine.status.end_time_ns = START + 3_600 * S
    engine.status.running_until = "a trade in BTC/USD"
    engine.status.bottleneck_message = "the agents: their code takes 80% of the time"
    engine.status.shards.add(address="localhost:50051", symbols=[BTC])
    engine.status.tape_hash, engine.status.tape_window = "ab" * 32, 1_799
    lines = marksim(engine, "status").stdout.splitlines()
    shown = {line.split()[0]: line.split(maxsplit=1)[1] for line in lines}
    assert shown["state"] == "paused"
    assert shown["time"] == "2025-01-06 00:01:30.000 UTC, 0.03 h since the start"
    assert shown["ends"] == "2025-01-06 01:00:00.000 UTC"
    assert shown["until"] == "a trade in BTC/USD"
    assert shown["slow"] == "the agents: their code takes 80% of the time"
    assert shown["book"] == "localhost:50051: BTC/USD, away"
    assert shown["tape"] == f"{'ab' * 32} after window 1,799"
    engine.status.running_until = engine.status.bottleneck_message = engine.status.tape_hash = ""
    assert not {"until", "slow", "tape"} & {line.split()[0] for line in marksim(engine, "status").stdout.splitlines()}


def test_status_tells_programs_in_json(engine: Engine) -> None:
    """One object a line, with the names of the contract, zeros included."""
    (line,) = marksim(engine, "status", "--json").stdout.splitlines()
    shown = json.loads(line)
    assert (shown["state"], shown["windows"], shown["lag_seconds"]) == ("CLOCK_STATE_PAUSED", "1800", 0.0)
    engine.updates = [engine.status, engine.status]
    watched = marksim(engine, "status", "--json", "--watch").stdout.splitlines()
    assert [json.loads(one) for one in watched] == [shown, shown]


def test_a_speed_that_nobody_has_measured_yet_is_not_shown(engine: Engine) -> None:
    """In the first moment after a pause there is only the one that was asked."""
    engine.updates = [pb.EngineStatus(state=pb.CLOCK_STATE_RUNNING, speed=pb.Speed(factor=50))]
    (line,) = marksim(engine, "status", "--watch").stdout.splitlines()
    assert line.endswith("windows done, 50x")


def test_a_status_that_is_watched_is_a_line_each_where_there_is_no_terminal(engine: Engine) -> None:
    """With lag and what is slow, for a log."""
    running = pb.EngineStatus(state=pb.CLOCK_STATE_RUNNING, measured_speed=7.5, lag_seconds=0.75, speed=pb.Speed(factor=10))
    running.bottleneck_message = "the agents: their code takes 80% of the time"
    engine.updates = [running]
    (line,) = marksim(engine, "status", "--watch").stdout.splitlines()
    assert line.endswith("7.5x of 10x, 0.8 s late, slow: the agents: their code takes 80% of the time")
