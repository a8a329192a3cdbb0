"""The golden tapes: what each ready scenario's tape must be, as hashes in tests/offline/golden/tapes.json.

python tools/golden_tapes.py [--check] [--plain-numpy] [SCENARIO ...]

Without --check it writes the file, which is how tapes are renewed on purpose: `make golden`. With --check it says which are
not as the file has them, and ends with 1. With --plain-numpy NumPy's dispatch to the faster instructions of this CPU is off,
as on the oldest CPU that NumPy runs on.
"""

import argparse
import importlib
import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from marksim.core.feed.tape import TAPE_VERSION
from marksim.offline import simulate
from marksim.scenario.loading import ready_scenarios

PATH: Final = Path(__file__).resolve().parent.parent / "tests" / "offline" / "golden" / "tapes.json"
UNTIL: Final = {
    "arbitrage": "1h",
    "coroutines": "20m",
    "default": "3h",
    # All of its day: both auctions, and the close.
    "equity-day": "6h50m",
    # Two crashes, with the halt and the auction after each.
    "flash-crash": "75m",
    "million": "2m",
    "quiet": "1d",
    "stress": "10m",
    "two-symbols": "1h",
}
"""How long each runs, so that all of them together take some seconds."""
SWITCH: Final = "NPY_DISABLE_CPU_FEATURES"

Tape = dict[str, Any]
"""What the file has of a scenario: until, seed, events, hash, symbols."""


def tape_of(scenario: str) -> Tape:
    """Run a ready scenario with its own seed for as long as UNTIL says."""
    if scenario not in UNTIL:
        raise SystemExit(f"golden tapes: scenario {scenario} has no time in UNTIL of tools/golden_tapes.py; give it one")
    result = simulate(scenario, until=UNTIL[scenario], tables=())
    return {
        "until": UNTIL[scenario],
        "seed": result.seed,
        "events": result.stats.events,
        "hash": result.tape_hash,
        "symbols": dict(result.tapes),
    }


def kept() -> dict[str, Tape]:
    """What the file has, by scenario. Raises SystemExit where it is of another version of the tape."""
    content = json.loads(PATH.read_text(encoding="utf-8"))
    if content["tape_version"] != TAPE_VERSION:
        versions = f"version {content['tape_version']} of the tape, and this is version {TAPE_VERSION}"
        raise SystemExit(f"golden tapes: {PATH.name} is of {versions}; renew it: make golden")
    tapes: dict[str, Tape] = content["scenarios"]
    return tapes


def difference(scenario: str, wanted: Tape | None, made: Tape) -> str:
    """A sentence on how the tape is another than the golden one; empty where it is not."""
    if made == wanted:
        return ""
    if wanted is None:
        how = "has no golden tape yet"
    elif (made["until"], made["seed"]) != (wanted["until"], wanted["seed"]):
        how = f"runs {made['until']} with seed {made['seed']}, its golden tape {wanted['until']} with seed {wanted['seed']}"
    else:
        symbols = [symbol for symbol, tape in made["symbols"].items() if wanted["symbols"].get(symbol) != tape]
        events = f"{made['events']:,} events where it had {wanted['events']:,}"
        hashes = f"hash {made['hash'][:12]} where it had {wanted['hash'][:12]}"
        how = f"has another tape in {', '.join(symbols) or 'fewer symbols'}: {events}, {hashes}"
    return f"scenario {scenario} {how}; if that is meant, renew the golden tapes: make golden"


def check(scenarios: Sequence[str]) -> list[str]:
    """Sentences on all that is not as the file has it."""
    tapes, ready = kept(), ready_scenarios()
    gone = [f"scenario {name} is none of the package any more; renew the golden tapes: make golden" for name in tapes]
    complaints = [line for name, line in zip(tapes, gone, strict=True) if name not in ready]
    told = (difference(name, tapes.get(name), tape_of(name)) for name in scenarios)
    return [*complaints, *filter(None, told)]


def dispatched(features: Mapping[str, bool], dispatch: Iterable[str]) -> list[str]:
    """Those features of the CPU that NumPy is built to use where they are there, and that it can be told not to."""
    return [name for name in dispatch if features.get(name)]


def numpy_features() -> tuple[dict[str, bool], list[str]]:
    """What NumPy found on this CPU and uses, and for which features it has code beside that for any CPU."""
    umath: Any = importlib.import_module("numpy._core._multiarray_umath")
    return dict(umath.__cpu_features__), list(umath.__cpu_dispatch__)


def plain_environment() -> dict[str, str]:
    """The variable with which a new process's NumPy has nothing but code for any CPU."""
    return {SWITCH: " ".join(dispatched(*numpy_features()))}


def main() -> int:
    """Write the file or check it."""
    parser = argparse.ArgumentParser(description="Golden tapes of the ready scenarios.")
    parser.add_argument("--check", action="store_true", help="only say what is not as the file has it")
    parser.add_argument("--plain-numpy", action="store_true", help="with NumPy's CPU dispatch off")
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help="these only; all if none is named")
    asked = parser.parse_args()
    if asked.plain_numpy and SWITCH not in os.environ:
        # NumPy reads it once, when it is imported.
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **plain_environment()})  # noqa: S606
    if asked.plain_numpy and (left := dispatched(*numpy_features())):
        raise SystemExit(f"golden tapes: NumPy still uses {' '.join(left)}; unset {SWITCH}")
    ready = ready_scenarios()
    if unknown := sorted(set(asked.scenarios) - set(ready)):
        raise SystemExit(f"golden tapes: {unknown[0]} is none of {', '.join(ready)}")
    scenarios = asked.scenarios or ready
    if asked.check:
        complaints = check(scenarios)
        for line in complaints:
            print(f"golden tapes: {line}", file=sys.stderr)
        print(f"golden tapes: {len(scenarios)} looked at, {len(complaints)} complaints")
        return int(bool(complaints))
    tapes = {**(kept() if asked.scenarios else {}), **{name: tape_of(name) for name in scenarios}}
    content = {"tape_version": TAPE_VERSION, "scenarios": {name: tapes[name] for name in sorted(tapes)}}
    PATH.parent.mkdir(exist_ok=True)
    PATH.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
