"""`python -m marksim.main`, with fake services in place of the real ones."""

import asyncio
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any, cast

import psutil
import pytest

from marksim import main
from marksim.core.errors import InvalidInput
from marksim.scenario import Scenario, load_scenario
from marksim.store.journal import Durability, Journal, JournalLimits
from marksim.store.lock import take
from marksim.store.windows import RunRecord
from marksim.supervisor import plan
from marksim.supervisor.screen import Screen
from marksim.supervisor.settings import MainSettings
from marksim.supervisor.status import Reading
from marksim.v1 import engine_pb2

FAKES = Path(__file__).parent / "supervisor"
_SHIM = """
import sys
from marksim import main
from marksim.supervisor import plan
from marksim.supervisor.child import ChildSpec
modes = dict(zip([name for stage in plan.STAGES for name in stage], sys.argv[1].split(",")))
plan.children = lambda settings: tuple(ChildSpec(name, "fake_service", (mode,)) for name, mode in modes.items())
sys.exit(main.main(sys.argv[2:]))
"""


def free_ports(count: int) -> list[int]:
    """Ports that nothing listens on."""
    held = [socket.socket() for _ in range(count)]
    try:
        for listener in held:
            listener.bind(("127.0.0.1", 0))
        return [listener.getsockname()[1] for listener in held]
    finally:
        for listener in held:
            listener.close()


def free_block(size: int) -> int:
    """First of `size` neighbouring ports that nothing listens on."""
    for base in free_ports(50):
        try:
            for port in range(base, base + size):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port))
        except (OSError, OverflowError):
            continue
        return base
    raise AssertionError("no block of free ports")


def port_flags() -> list[str]:
    """Flags that give every listener a free port."""
    names = ["--port", "--memory-http-port"]
    names += [f"--{name}-port" for name in ("orderbook", "engine", "archiver", "edge", "memory")]
    pairs = zip(names, free_ports(len(names)), strict=True)
    return [f"{name}={port}" for name, port in pairs] + [f"--http-port-base={free_block(4)}"]


class Market:
    """A running main whose output is read line by line."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def until(self, text: str) -> str:
        """Read on until a line holds `text`; returns it."""
        assert self.process.stdout is not None
        while line := (await asyncio.wait_for(self.process.stdout.readline(), 25)).decode():
            if text in line:
                return line
        raise AssertionError(f"the output ended without {text!r}")

    async def rest(self) -> str:
        """Everything that is still printed, to the end."""
        assert self.process.stdout is not None
        return (await asyncio.wait_for(self.process.stdout.read(), 25)).decode()


async def start(modes: str, data_dir: Path, *flags: str) -> Market:
    """Main with a fake service of the given mode for memory, edge, engine, archiver and order book."""
    return Market(
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", _SHIM, modes, *port_flags(), "--data-dir", str(data_dir), "--verbose", *flags),
            env={**os.environ, "PYTHONPATH": str(FAKES), "COLUMNS": "200"},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
    )


async def run_main(*flags: str) -> tuple[int | None, str]:
    """Main to its end: exit code and output."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "marksim.main", *flags),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await asyncio.wait_for(process.communicate(), 40)
    return process.returncode, output.decode()


SERVING = "serve,serve,serve,serve,serve"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_signal_ends_all(tmp_path: Path, number: signal.Signals) -> None:
    """Ctrl-C or SIGTERM ends every child and then main, with exit code 0."""
    market = await start(SERVING, tmp_path)
    for _ in range(5):
        await market.until(": ready")
    children = psutil.Process(market.process.pid).children()
    market.process.send_signal(number)
    assert "All services ended." in await market.rest()
    assert await market.process.wait() == 0
    assert len(children) == 5
    assert not any(child.is_running() for child in children)


async def test_a_run_that_is_stopped_before_its_time_has_failed(tmp_path: Path) -> None:
    """Its exit code is 1, and it says that there is no tape hash: a script must not take it for the whole run."""
    market = await start(SERVING, tmp_path, "--until", "1d")
    for _ in range(5):
        await market.until(": ready")
    market.process.send_signal(signal.SIGTERM)
    assert "Ended before --until 1d: there is no tape hash." in await market.rest()
    assert await market.process.wait() == 1


async def test_second_signal_kills(tmp_path: Path) -> None:
    """A second Ctrl-C kills what does not end by itself."""
    market = await start("deaf,serve,serve,serve,serve", tmp_path)
    for _ in range(5):
        await market.until(": ready")
    market.process.send_signal(signal.SIGINT)
    await market.until("Ctrl-C again kills")
    async with asyncio.timeout(4):
        while market.process.returncode is None:
            market.process.send_signal(signal.SIGINT)
            await asyncio.wait([asyncio.ensure_future(market.process.wait())], timeout=0.2)
    assert market.process.returncode == 130


async def test_one_press_that_comes_twice_ends_in_order(tmp_path: Path) -> None:
    """A Ctrl-C that is delivered to the process and to its group still ends all in order."""
    market = await start(SERVING, tmp_path)
    for _ in range(5):
        await market.until(": ready")
    market.process.send_signal(signal.SIGINT)
    await market.until("Ctrl-C again kills")
    market.process.send_signal(signal.SIGINT)
    assert "All services ended." in await market.rest()
    assert await market.process.wait() == 0


async def test_start_lists_addresses(tmp_path: Path) -> None:
    """The start names the WebSocket address, the dashboard, each metrics page and the archive."""
    market = await start(SERVING, tmp_path)
    await market.until("ws://localhost:")
    await market.until("http://localhost:8050")
    for name in ("orderbook", "engine", "edge", "archiver"):
        assert "/metrics" in await market.until(name)
    await market.until(str(tmp_path))
    market.process.send_signal(signal.SIGINT)
    assert await market.process.wait() == 0


async def test_refusing_child_ends_market(tmp_path: Path) -> None:
    """A child that refuses its settings ends the whole with its sentence and exit code 2."""
    market = await start("serve,refuse,serve,serve,serve", tmp_path)
    assert "--grpc-port 1 is wrong" in await market.rest()
    assert await market.process.wait() == 2


async def test_killed_child_is_said_and_returns(tmp_path: Path) -> None:
    """A killed child is told in one line with its signal, and started again."""
    market = await start(SERVING, tmp_path)
    for _ in range(5):
        await market.until(": ready")
    psutil.Process(market.process.pid).children()[1].kill()
    await market.until("signal SIGKILL")
    await market.until(": ready")
    market.process.send_signal(signal.SIGINT)
    assert await market.process.wait() == 0


async def test_port_in_use_names_owner_and_flag(tmp_path: Path) -> None:
    """A taken port ends the start with 2, naming the port, the owner's pid and the flag that changes it."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        code, output = await run_main(*port_flags(), f"--engine-port={port}", f"--data-dir={tmp_path}")
    assert code == 2
    assert f"port {port}" in output
    assert str(os.getpid()) in output
    assert "--engine-port" in output


def test_a_start_of_now_is_resolved_once() -> None:
    """The children load the scenario at moments of their own, and read the start that main has read."""
    settings = main.resolved(MainSettings(set=["start=now"]))
    moment = settings.set[-1]
    assert moment.startswith("start=2")
    for name in ("orderbook", "engine"):
        (arguments,) = (spec.arguments for spec in plan.children(settings) if spec.name == name)
        assert arguments[arguments.index("--set") + 1] == f"start=now,{moment}"


@pytest.mark.parametrize("start", ["2025-01-06", "2025-01-06T01:02:03.25+05:00", "2025-01-06 01:02:03", "1736121600"])
def test_a_start_that_is_passed_on_is_the_same(start: str) -> None:
    """As text of a moment it gives the scenario the hash that it has without."""
    given = [f"start={start}"]
    passed = main.resolved(MainSettings(set=given)).set
    assert load_scenario("default", passed).hash == load_scenario("default", given).hash


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--speed", "fast"], "--speed 'fast' is wrong: must be `max` or a number"),
        (["--prot", "1"], "did you mean --port?"),
        (["--scenario", "no-such"], "scenario no-such"),
        (["no-such.yaml"], "scenario no-such.yaml"),
        (["--set", "no.such=1"], "--set"),
        (["--until", "soon"], "--until is 'soon': write a number and a unit"),
        (["--until", "2025-01-05"], "--until is '2025-01-05': must be after 2025-01-06T00:00:00Z"),
        (["--port", "50051"], "--port (WebSocket server) and --orderbook-port (orderbook gRPC) both say port 50051"),
    ],
)
async def test_wrong_setting_names_itself(flags: list[str], sentence: str) -> None:
    """A wrong setting ends the start with 2 and a sentence that names it."""
    code, output = await run_main(*flags)
    assert code == 2
    assert sentence in output
    assert "Traceback" not in output


async def test_unwritable_logs_are_refused(tmp_path: Path) -> None:
    """A log directory that cannot be made ends the start with 2 and names the flag."""
    (tmp_path / "file").touch()
    code, output = await run_main(*port_flags(), f"--log-dir={tmp_path / 'file'}")
    assert code == 2
    assert "--log-dir" in output
    assert "Traceback" not in output


async def test_an_archive_of_another_market_is_refused(tmp_path: Path) -> None:
    """Before any child starts and writes into the other one's logs; the sentence names the flag of main."""
    (tmp_path / "archive").mkdir()
    held = take(tmp_path / "archive")
    try:
        code, output = await run_main(*port_flags(), f"--data-dir={tmp_path}")
    finally:
        os.close(held)
    assert code == 2
    assert output == f"marksim: another archiver writes to {tmp_path / 'archive'}: stop it, or choose another --data-dir\n"
    assert list((tmp_path / "logs").iterdir()) == []


async def test_an_archive_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    """An archive's directory that cannot be made ends the start with 2 and names the flag."""
    (tmp_path / "archive").touch()
    code, output = await run_main(*port_flags(), f"--data-dir={tmp_path}")
    assert code == 2
    assert f"the archive cannot be kept in {tmp_path / 'archive'}" in output
    assert "--data-dir changes it" in output
    assert "Traceback" not in output


def _with_run(data_dir: Path, scenario: Scenario) -> None:
    """As an order book leaves it behind."""
    facts = (scenario.name, scenario.hash, "{}", scenario.seed, scenario.start_ns, scenario.lookahead_ns, 0, 1)
    folder = data_dir / "journal" / "shard-0"
    folder.mkdir(parents=True)
    journal = Journal(folder, Durability.PROCESS, JournalLimits())
    journal.begin(RunRecord("0b5e7f7e-0000-4000-8000-000000000000", *facts, ("BTC/USD",)), "")
    journal.close()


def test_a_start_goes_on_with_the_run_that_is_there_or_is_refused(tmp_path: Path) -> None:
    """With the same scenario and seed, or else with a sentence that says what to do; --new-run asks nobody."""
    _with_run(tmp_path, load_scenario("default", seed=7))
    settings = main.resolved(MainSettings(data_dir=tmp_path, seed=7))
    listed = "\n".join(plan.listing(settings, main._goes_on(settings)))
    assert "run 0b5e7f7e goes on; --new-run begins another" in listed
    others: list[dict[str, Any]] = [{"seed": 8}, {}, {"seed": 7, "set": ["lookahead_ms=100"]}]
    for changed in others:
        with pytest.raises(InvalidInput, match="seed 7, from .* this is default, .* --new-run to begin another"):
            main.resolved(MainSettings(data_dir=tmp_path, **changed))
    settings = main.resolved(MainSettings(data_dir=tmp_path, seed=8, new_run=True))
    assert "a run begins" in "\n".join(plan.listing(settings, main._goes_on(settings)))


def test_a_scenario_that_begins_now_goes_on_from_when_it_began(tmp_path: Path) -> None:
    """The second start says `now` at another second, and means the same run."""
    _with_run(tmp_path, load_scenario("default", ["start=2025-03-01T10:00:00+00:00"]))
    assert "start=2025-03-01T10:00:00+00:00" in main.resolved(MainSettings(data_dir=tmp_path, set=["start=now"])).set


class _Book:
    """As much of a watcher as the end of a run asks."""

    async def tape_hash(self, run: str) -> str:
        return "ab" * 32 if run == "told" else ""


@pytest.mark.parametrize(
    ("state", "run", "code", "tape_hash"),
    [
        (engine_pb2.CLOCK_STATE_FINISHED, "told", 0, "ab" * 32),
        (engine_pb2.CLOCK_STATE_FINISHED, "lost", 1, ""),
        (engine_pb2.CLOCK_STATE_FAILED, "told", 1, ""),
    ],
)
async def test_a_run_that_is_over_gives_its_hash_and_a_failed_one_its_reason(
    state: engine_pb2.ClockState, run: str, code: int, tape_hash: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The exit code tells them apart; a book that is in another run by then has no hash of this one."""
    status = engine_pb2.EngineStatus(run=run, state=state, message="agent x held the clock", end_time_ns=1)
    ended = await main._end_of(Reading(status, 0.0, 0.0, {}), cast(Any, _Book()), Screen())
    assert (ended.code, ended.tape_hash) == (code, tape_hash)
    assert "The market has ended: agent x held the clock." in capsys.readouterr().out


async def test_a_run_past_its_end_has_no_hash_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    """A script that compares hashes at --until is not given one of another time."""
    status = engine_pb2.EngineStatus(state=engine_pb2.CLOCK_STATE_FINISHED, end_time_ns=1, simulated_time_ns=2, run="told")
    ended = await main._end_of(Reading(status, 0.0, 0.0, {}), cast(Any, _Book()), Screen())
    assert (ended.code, ended.tape_hash) == (1, "")
    assert "give a later --until" in capsys.readouterr().out
