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
from functools import partial

from tests.cluster import steps
from tests.cluster.kube import ROOT, Release, run
from tests.cluster.prometheus import panels_answer
from tests.cluster.table import Table
from tests.cluster.tilt import edit_runs

TOOLS = ("kubectl", "helm", "grpcurl", "prometheus", "promtool", "tilt")
NAMESPACE, SHARDED = "marksim-test", "marksim-test-shards"


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
        await _look(table, market)
        await _sharded(table, sharded)
        await _disturb(table, market, second, arguments.new_image)
        await table.step("11", "tilt ci; an edit runs in the pod", partial(edit_runs, arguments.tilt_flags))
    finally:
        code = table.finish()
        if not arguments.keep:
            await _clear()
    return code


async def _look(table: Table, market: Release) -> None:
    """While nothing may restart for five minutes, everything that only looks."""
    # Whatever is asked for needs the release.
    wanted, table.only = table.only, table.only | {"1a"} if table.only else table.only
    if not await table.step("1a", "restricted namespace, default values: Ready", partial(steps.install, market)):
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
    await quiet


async def _sharded(table: Table, sharded: Release) -> None:
    if not table.wants("9"):
        return
    if await table.step("9", "two shards, two symbols, two edges, one clock", partial(steps.two_shards, sharded)):
        await table.step("10a", "uninstall leaves named volumes (two shards)", partial(steps.uninstalled, sharded))


async def _disturb(table: Table, market: Release, second: Release, new_image: str) -> None:
    if await table.step("4a", "two releases in one namespace", partial(steps.second_release, market, second)):
        await table.step("10b", "uninstall beside another release", partial(steps.uninstalled, second))
    await table.step("4b", "upgrade with the same values", partial(steps.same_values, market))
    await table.step("4c", "upgrade to another image", partial(steps.new_image, market, new_image))
    await table.step("5", "every pod deleted, twice", partial(steps.delete_each, market))
    await table.step("6", "rollout restart; drain", partial(steps.roll_and_drain, market))
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
