"""How long windows and the calls of outside traders take, and what became of those calls."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from prometheus_client import Counter, Histogram

from marksim.core.errors import MarksimError

WINDOW: Final = Histogram(
    "marksim_orderbook_window_duration_seconds",
    "Time from a window's arrival to its answer: decoding, matching, frames.",
    buckets=(0.0001, 0.0002, 0.0005, 0.001, 0.0015, 0.002, 0.003, 0.005, 0.01, 0.02, 0.05, 0.1, 1),
)
CALL_DURATION: Final = Histogram(
    "marksim_orderbook_outside_call_duration_seconds",
    "Time from the arrival of an outside trader's call to its answer, the wait for the next window included.",
    ["rpc"],
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5, 30),
)
CALLS: Final = Counter(
    "marksim_orderbook_outside_calls",
    "Calls of outside traders by what became of them: done, hung_up, failed, or the reason of the refusal.",
    ["rpc", "outcome"],
)
RPCS: Final = ("SubmitOrder", "CancelOrder", "AmendOrder", "MassCancel", "SetSession")

for _rpc in RPCS:
    # Present from the start: the first order of a quiet market is an increase, too.
    CALL_DURATION.labels(_rpc)
    CALLS.labels(_rpc, "done")


@contextmanager
def outside_call(rpc: str) -> Iterator[None]:
    """Count and time one call. Reasons of refusal are constants of this program, so the outcomes are few."""
    begun, outcome = time.monotonic(), "failed"
    try:
        yield
        outcome = "done"
    except MarksimError as error:
        outcome = error.reason.lower()
        raise
    except asyncio.CancelledError:
        outcome = "hung_up"
        raise
    finally:
        CALLS.labels(rpc, outcome).inc()
        if outcome == "done":
            CALL_DURATION.labels(rpc).observe(time.monotonic() - begun)
