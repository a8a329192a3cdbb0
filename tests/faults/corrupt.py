"""Damage what a market has left on the disk, and see that it is detected and named, or does no harm: never a wrong tape.

    python -m tests.faults.corrupt build/faults/orderbook-default-5-1 --times 30
    python -m tests.faults.corrupt build/faults/orderbook-default-5-1 --kinds engine,clock

Each time in a copy of the market's data. Journals and snapshots: `marksim verify` and the order book are started on them,
and must either end with a word about the damaged file, or come to the very tape hash that sound ones give. Parquet: reading
it must fail, or show all rows as they were. The engine's files, the archive's own, and what only a killed market leaves (a
write-ahead log, the engine's clock while something waits): the market goes on with them, and must end or stop with a word
about the damaged file, or come to the tape hash that sound ones give in a later window; its journal and, where an archiver
runs, its archive must then be equal to that, too.
"""

import argparse
import asyncio
import json
import os
import random
import shutil
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from tests.faults import damage
from tests.faults.going_on import PAST, Came, Going, kill_trading, told_of
from tests.faults.market import MarketFailed, SeparateMarket, Standing
from tests.faults.rows import Tables, archived, differences
from tests.faults.undisturbed import verified_hash

STORED: Final = ("blob", "sqlite", "snapshot")
PARQUET: Final = "parquet"
AFTER_END: Final = ("engine", "archive")
"""What a market goes on with that ended in order."""
AFTER_KILL: Final = ("clock", "wal", "shm")
"""And one that was killed."""
KINDS: Final = (*STORED, PARQUET, *AFTER_END, *AFTER_KILL)
ANSWERS_S: Final = 60.0
NAMED: Final = "named"
HARMLESS: Final = "harmless"


@dataclass(frozen=True)
class Sound:
    """What the market was, and where its book stands when it starts on undamaged data."""

    scenario: str
    seed: int
    tape_hash: str
    window: int


def harm(data: Path, kind: str, randomness: random.Random) -> damage.Damage | damage.BlobDamage:
    """Damage one file of that kind; of a `blob` a byte that surely matters."""
    found = damage.files(data, "sqlite" if kind == "blob" else kind)
    if not found:
        raise ValueError(f"{data} has no {kind} file to damage")
    if kind == "archive":
        # Of its log the newest entry alone is read.
        logs = [path for path in found if path.suffix == ".json"]
        found = [path for path in found if path not in logs[:-1]]
    path = randomness.choice(found)
    if kind == "blob":
        return damage.flip_blob(path, randomness)
    return damage.WAYS[randomness.choice(sorted(damage.WAYS))](path, randomness)


async def started(directory: Path, scenario: str, seed: int) -> tuple[str, int]:
    """Tape hash and last window of the order book that starts on that data. Raises MarketFailed where it ends instead."""
    market = SeparateMarket(directory, scenario, seed)
    market.start_one("orderbook")
    try:
        async with asyncio.timeout(ANSWERS_S):
            while (run := await market.get_run_if_ready()) is None:
                market.check_alive()
                await asyncio.sleep(0.05)
    finally:
        await asyncio.to_thread(market.end)
    return Standing.hash_of(run), run.last_window


async def stored_once(source: Path, scratch: Path, kind: str, sound: Sound, randomness: random.Random) -> str:
    """Damage a journal or snapshot, and start the book on it: NAMED, HARMLESS, or what is wrong.

    A start may need no row that is older than the newest snapshot; of a journal all rows are executed again besides. A
    snapshot that the book tells of and passes over is named; one that it does not read, such as the engine's, is harmless.
    """
    done = harm(fresh_copy(source, scratch) / "data", kind, randomness)
    if kind != "snapshot":
        try:
            verified = await asyncio.to_thread(verified_hash, scratch / "data" / "journal", os.environ)
        except ValueError as error:
            return NAMED if done.path.name in str(error) else f"{done}: verify ended without naming it: {error}"
        if verified != sound.tape_hash:
            return f"{done}: verify came to {verified} instead of {sound.tape_hash}"
    try:
        told = await started(scratch, sound.scenario, sound.seed)
    except MarketFailed as failed:
        return NAMED if done.path.name in str(failed) else f"{done}: the order book ended without naming it: {failed}"
    if told != (sound.tape_hash, sound.window):
        return f"{done}: the order book came to {told}, not {sound}"
    return NAMED if is_passed_over(done.path, scratch / "logs" / "orderbook.log") else HARMLESS


def is_passed_over(snapshot: Path, logged: Path) -> bool:
    """Whether the order book has said that it cannot use this snapshot."""
    lines = [json.loads(line) for line in logged.read_text(encoding="utf-8").splitlines() if line.startswith("{")]
    told = [line for line in lines if line["level"] == "error" and line["event"] == "a snapshot is passed over"]
    return any(Path(line["file"]).name == snapshot.name and line["reason"] for line in told)


def parquet_once(source: Path, scratch: Path, run: str, sound: Tables, randomness: random.Random) -> str:
    """Damage a file of the archive and read it."""
    done = harm(fresh_copy(source, scratch) / "data" / "archive", "parquet", randomness)
    try:
        read = archived(scratch / "data" / "archive", run)
    except Exception as error:  # noqa: BLE001  # whatever the reader raises, it did not take it for whole
        return NAMED if str(error) else f"{done}: {type(error).__name__} without a word"
    # Only whoever has the rows as they were sees that: for a reader they are whole.
    different = differences(read, sound)
    return f"{done}: read as if it were whole: {different[0]}" if different else HARMLESS


def fresh_copy(source: Path, scratch: Path) -> Path:
    """The market's data, copied anew, and no logs of before."""
    shutil.rmtree(scratch, ignore_errors=True)
    shutil.copytree(source / "data", scratch / "data")
    return scratch


@dataclass(frozen=True)
class Left:
    """What a market has left, and where another comes to that goes on with it undamaged."""

    source: Path
    going: Going
    came: Came


async def gone_on_once(kind: str, scratch: Path, sound: Left, randomness: random.Random) -> str:
    """Damage a file and let a market go on with it: NAMED, HARMLESS, or what is wrong."""
    done = harm(fresh_copy(sound.source, scratch) / "data", kind, randomness)
    try:
        came = await sound.going.on(scratch)
    except MarketFailed as failed:
        return NAMED if told_of(done.path, scratch / "logs") else f"{done}: ended without naming it: {failed}"
    except TimeoutError:
        return f"{done}: the market did not go on"
    except ValueError as wrong:
        # It went on, and what it made is not sound, whatever it told.
        return f"{done}: {wrong}"
    if came != sound.came:
        return f"{done}: the market came to {came}, not {sound.came}"
    return NAMED if told_of(done.path, scratch / "logs") else HARMLESS


async def corrupt(source: Path, times: int, seed: int, kinds: Sequence[str] = KINDS) -> dict[str, dict[str, int]]:
    """Damage each kind so many times; what came of it. Prints each outcome, and what is wrong."""
    state = json.loads(source.with_suffix(".json").read_text(encoding="utf-8"))
    of_run = (state["plan"]["scenario"], state["plan"]["seed"])
    run = state["episodes"][-1]["run"]
    randomness, scratch = random.Random(seed), source.with_name(f"{source.name}-damaged")
    killed = source.with_name(f"{source.name}-killed")
    whole = Sound(*of_run, *await started(fresh_copy(source, scratch), *of_run))
    sound = archived(source / "data" / "archive", run)
    lefts: dict[str, Left] = {}
    if set(kinds) & {*AFTER_END}:
        going = Going(*of_run, whole.window + PAST)
        came = await going.on(fresh_copy(source, scratch))
        if (alone := going.undisturbed(scratch)) != replace(came, run=""):
            raise ValueError(f"with sound data the market comes to {came}, undisturbed it comes to {alone}")
        lefts.update(dict.fromkeys(AFTER_END, Left(source, going, came)))
    if set(kinds) & {*AFTER_KILL}:
        going = Going(*of_run, await kill_trading(fresh_copy(source, killed), *of_run) + PAST)
        lefts.update(dict.fromkeys(AFTER_KILL, Left(killed, going, await going.on(fresh_copy(killed, scratch)))))

    async def once(kind: str) -> str:
        if kind in lefts:
            return await gone_on_once(kind, scratch, lefts[kind], randomness)
        if kind == PARQUET:
            return parquet_once(source, scratch, run, sound, randomness)
        return await stored_once(source, scratch, kind, whole, randomness)

    counts: dict[str, Counter[str]] = {}
    for kind in kinds:
        for number in range(times):
            if (outcome := await once(kind)) not in (NAMED, HARMLESS):
                print(outcome, file=sys.stderr)
                outcome = "wrong"
            print(f"{kind} {number + 1}/{times}: {outcome}", flush=True)
            counts.setdefault(kind, Counter())[outcome] += 1
    for folder in (scratch, killed):
        shutil.rmtree(folder, ignore_errors=True)
    return {kind: dict(counted) for kind, counted in counts.items()}


def table(counts: dict[str, dict[str, int]]) -> str:
    """The rows of docs/reliability.md."""
    lines = ["| damaged | times | named | harmless | wrong |", "| --- | --- | --- | --- | --- |"]
    for kind, counted in counts.items():
        columns = [sum(counted.values()), *(counted.get(name, 0) for name in (NAMED, HARMLESS, "wrong"))]
        lines.append(f"| {kind} | " + " | ".join(map(str, columns)) + " |")
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.corrupt", description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("source", type=Path, help="folder of a campaign that is over")
    parser.add_argument("--times", type=int, default=30, help="of each kind")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kinds", default=",".join(KINDS), help="what is damaged; all of these if not given")
    given = parser.parse_args(argv)
    kinds = given.kinds.split(",")
    if unknown := [kind for kind in kinds if kind not in KINDS]:
        parser.error(f"--kinds {unknown[0]}: there are {', '.join(KINDS)}")
    counts = asyncio.run(corrupt(given.source, given.times, given.seed, kinds))
    print(json.dumps(counts))
    print(table(counts))
    return 1 if any("wrong" in counted for counted in counts.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
