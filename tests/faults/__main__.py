"""`python -m tests.faults`: kill a market's services at random moments, and prove that nothing is lost, doubled or another.

    python -m tests.faults --target orderbook --kills 100 --slice 1h      # again until it is done
    python -m tests.faults --target kills --kills 5 --fresh               # what CI runs
    python -m tests.faults --target all --scenario default,coroutines     # the long form
    python -m tests.faults --table                                        # of all results in build/faults

Ends with 0 when the campaign is over and sound, with 3 when a slice is over and more is to do, else with 1.
"""

import argparse
import asyncio
import json
import re
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.faults.campaign import Campaign, directory_of
from tests.faults.market import MarketFailed
from tests.faults.progress import KILLS, TARGETS, Plan, load, table

UNITS: Final = {"s": 1.0, "m": 60.0, "h": 3_600.0}
MORE_TO_DO: Final = 3


def span(text: str) -> float:
    """Seconds of `90s`, `45m` or `1h`."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no span: write 90s, 45m or 1h")
    return float(found[1]) * UNITS[found[2]]


def results(directory: Path) -> list[dict[str, object]]:
    """Of all campaigns there that are over."""
    read = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(directory.glob("*.json"))]
    return [one["result"] for one in read if one.get("result")]


def one(plan: Plan, path: Path, seconds: float, *, fresh: bool) -> int:
    """A slice of one campaign."""
    if fresh:
        path.unlink(missing_ok=True)
        shutil.rmtree(path.with_suffix(""), ignore_errors=True)
    progress = load(path, plan)
    if progress.result is None:
        print(f"{plan.target} on {plan.scenario}, seed {plan.seed}: {progress.done} of {plan.kills} done", flush=True)
        try:
            asyncio.run(Campaign(path, progress, lambda line: print(line, flush=True)).slice(seconds))
        except MarketFailed as failed:
            print(f"{plan.target}: {failed}", file=sys.stderr)
            return 1
    if progress.result is None:
        print(f"{progress.done} of {plan.kills} done; the same command goes on")
        return MORE_TO_DO
    print(json.dumps(progress.result))
    print(table([progress.result]))
    return 0 if progress.result["sound"] else 1


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--kills", type=int, default=100, help="disturbances in all (100)")
    parser.add_argument("--target", choices=(*TARGETS, "kills", "all"), default="orderbook", help="kills: all that kill")
    parser.add_argument("--scenario", default="default", help="one or several: default,coroutines")
    parser.add_argument("--seed", type=int, default=1, help="of the market, the clients and the moments")
    parser.add_argument(
        "--slice", type=span, default=3_600.0, metavar="SPAN", help="stop in order after so long: 90s, 45m, 1h"
    )
    parser.add_argument("--state", type=Path, help="file to go on from; its data is in a folder of that name beside it")
    parser.add_argument("--fresh", action="store_true", help="begin anew where there is a state")
    parser.add_argument(
        "--table", action="store_true", help="only print the results in the folder of --state, or build/faults"
    )
    given = parser.parse_args(argv)
    if given.kills < 1:
        parser.error(f"--kills {given.kills}: give at least 1")
    if given.table:
        print(table(results(given.state.parent if given.state else Path("build/faults"))))
        return 0
    targets = {"all": TARGETS, "kills": KILLS}.get(given.target, (given.target,))
    plans = [Plan(target, name, given.kills, given.seed) for name in given.scenario.split(",") for target in targets]
    if given.state and len(plans) > 1:
        parser.error("--state is of one campaign: give one --target and one --scenario with it")
    codes, ends = [0], time.monotonic() + given.slice
    for plan in plans:
        left = ends - time.monotonic()
        if left <= 0:
            codes.append(MORE_TO_DO)
            break
        try:
            codes.append(one(plan, given.state or directory_of(plan), left, fresh=given.fresh))
        except ValueError as error:
            parser.error(str(error))
    return 1 if 1 in codes else max(codes)


if __name__ == "__main__":
    sys.exit(main())
