"""Proves image and chart on the cluster that KUBECONFIG names; prints a table.

    python -m tests.cluster --image marksim:dev --new-image marksim:next        # both in reach of the cluster
    python -m tests.cluster --image ... --new-image ... --only 2,7 --keep

Needs kubectl, helm, grpcurl, prometheus with promtool, tilt and chromium. Makes namespaces that begin with marksim-test and
takes them away at the end. Quiet waits overlap other steps.
"""

import argparse
import asyncio
import shutil
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial

from tests.cluster import steps, tapes
from tests.cluster.kube import ROOT, Release, StepFailed, run
from tests.cluster.prometheus import panels_answer
from tests.cluster.table import Table
from tests.cluster.tilt import edit_runs

TOOLS = ("kubectl", "helm", "grpcurl", "prometheus", "promtool", "tilt")
NAMESPACE, SHARDED = "marksim-test", "marksim-test-shards"
APART = frozenset({"9", "10a", "11", "12", "12a", "12b"})
"""Steps that do not look at the release of all others."""


async def main() -> int:
    """Run the steps in an order in which none disturbs what another looks at."""
    arguments = _arguments()
    if missing := [tool for tool in TOOLS if shutil.which(tool) is None]:
        print(f"cluster test: not on PATH: {', '.join(missing)}", file=sys.stderr)
        return 2
    table = Table(frozenset(arguments.only.split(",")) if arguments.only else frozenset())
    market = Release("market", NAMESPACE, arguments.image)
    second = Release("second", NAMESPACE, arguments.image)
    sharded = Release("shards", SHARDED, arguments.image)
    await _clear()
    try:
        await steps.make_namespace(NAMESPACE)
        await steps.make_namespace(SHARDED)
        one = Release("one", SHARDED, arguments.image)
        await _look(table, market, partial(_sharded, table, sharded, one))
        await _disturb(table, market, second, arguments.new_image)
        await table.step("11", "tilt ci; an edit runs in the pod", partial(edit_runs, arguments.tilt_flags))
    finally:
        code = table.finish()
        if not arguments.keep:
            await _clear()
    return code


async def _look(table: Table, market: Release, beside: Callable[[], Awaitable[None]]) -> None:
    """While nothing may restart for five minutes, everything that only looks; and `beside`, in another namespace."""
    if table.only and table.only <= APART:
        await beside()
        return
    # Whatever is asked for needs the release.
    wanted, table.only = table.only, table.only | {"1a"} if table.only else table.only
    if not await table.step("1a", "restricted namespace, default values: Ready", partial(steps.install, market)):
        await beside()
        return
    table.only = wanted
    quiet = asyncio.create_task(table.step("1b", "no restart in five minutes", partial(steps.stays_quiet, market)))
    await table.step("1c", "kernels come from the image's cache", partial(steps.nothing_compiles, market))
    await table.step("2a", "helm test, running and paused", partial(steps.helm_test, market))
    await table.step("2b", "grpcurl lists, describes, trades", partial(steps.trade, market))
    await table.step("2c", "the first page's consumer", partial(steps.seed_consumer, market))
    screenshot = ROOT / "build" / "cluster" / "page.png"
    await table.step("2d", "the page in a browser", partial(steps.page_loads, market, screenshot))
    await table.step("3a", "a misspelt value is refused", partial(steps.typo_fails, market))
    await table.step("3b", "strict validation by the API server", partial(steps.strict_validation, market))
    await table.step("7", "NetworkPolicy: a stranger", partial(steps.walls, market))
    await table.step("8", "Prometheus, promtool, every Grafana query", partial(panels_answer, market))
    await beside()
    await quiet


async def _sharded(table: Table, sharded: Release, one: Release) -> None:
    """What needs several order books. The release of step 9 is installed again, on the volumes that it left."""
    if table.wants("9") and await table.step(
        "9", "two shards, two symbols, two edges, one clock", partial(steps.two_shards, sharded)
    ):
        await table.step("10a", "uninstall leaves named volumes (two shards)", partial(steps.uninstalled, sharded))
    if table.wants("12"):
        equal = await table.step("12a", "one shard, two, one killed: equal tapes", partial(tapes.equal_tapes, one, sharded))
        if equal:
            await table.step("12b", "another scenario, newRun: old runs aside", partial(tapes.new_runs, one, sharded))
        # Where one of them did not come to be, the table has said so.
        with suppress(StepFailed):
            await asyncio.gather(*(release.uninstall() for release in (one, sharded)))


async def _disturb(table: Table, market: Release, second: Release, new_image: str) -> None:
    if await table.step("4a", "two releases in one namespace", partial(steps.second_release, market, second)):
        await table.step("10b", "uninstall beside another release", partial(steps.uninstalled, second))
    await table.step("4b", "upgrade with the same values", partial(steps.same_values, market))
    await table.step("4c", "upgrade to another image", partial(steps.new_image, market, new_image))
    await table.step("5", "every pod deleted, and by force: full recovery", partial(steps.delete_each, market))
    await table.step("6a", "rollout restart; drain: the run goes on", partial(steps.roll_and_drain, market))
    await table.step(
        "6b", "another scenario: another run, the old one aside", partial(steps.another_scenario, market, new_image)
    )
    await table.step("10c", "uninstall leaves named volumes", partial(steps.uninstalled, market))


async def _clear() -> None:
    for namespace in (NAMESPACE, SHARDED):
        await run("kubectl", "delete", "namespace", namespace, "--ignore-not-found", "--timeout=120s")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--image", required=True, help="repository:tag that the cluster can run")
    parser.add_argument("--new-image", required=True, help="another tag, for the upgrade")
    parser.add_argument("--only", default="", help="numbers of steps, such as 2,5,8")
    parser.add_argument("--keep", action="store_true", help="leave the namespaces for a look")
    parser.add_argument("--tilt-flags", default="", help="flags after `tilt ci --`, such as --builder=buildah")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
