"""What is compiled ahead is all that is compiled: nobody waits for a kernel in the middle of a market."""

import subprocess
import sys

import pytest

PROGRAM = """
import numpy as np
from marksim.core.book.book import OrderBook
from marksim.core.feed.digest import rows_digest
from marksim.core.feed.rerun import Rerun
from marksim.core.feed.tape import TapeHash
from marksim.core.feed.inputs import PartInput, pack_inputs, unpack_windows
from marksim.core.feed.packing import pack, unpack
from marksim.core.feed.ticks import TickBuilder
from marksim.core.sim.engine import AsyncTimeEngine, SymbolOutcome
from marksim.core.sim.simulation import Simulation
from marksim.core.types import COMMAND, DEPTH, EXECUTION, QUOTE, TICK
from marksim.core.warm import ALL, compile_kernels
from marksim.scenario import load_scenario

compile_kernels(ALL)
scenario = load_scenario("default")
cast, times = scenario.cast(), {"seed": 1, "start_ns": scenario.start_ns, "lookahead_ns": scenario.lookahead_ns}
simulation = Simulation(scenario.instruments(), cast, **times)
for _ in simulation.run(scenario.start_ns + 60 * 10**9):
    pass
simulation.engine.crowd("BTC/USD").value_ticks(scenario.start_ns)
engine = AsyncTimeEngine(scenario.instruments(), cast, **times)
book = OrderBook(scenario.instruments()[0], start_ns=scenario.start_ns)
ticks = TickBuilder(book.instrument, book.session_state)
for window in range(400):
    end_ns = scenario.start_ns + (window + 1) * scenario.lookahead_ns
    output = book.apply(engine.collect(window).get("BTC/USD", np.zeros(0, COMMAND)), end_ns)
    tick = ticks.update(output, book.session) if len(output.executions) else None
    engine.deliver(window, {"BTC/USD": SymbolOutcome(output.executions, tick)})
book = OrderBook.restored(book.instrument, 1 << 20, book.state())
ticks = TickBuilder.restored(book.instrument, ticks.state())
played = Rerun(book, ticks, TapeHash(), scenario.start_ns, scenario.lookahead_ns)
played.play(400, 401, np.zeros(0, COMMAND), np.zeros(3, np.int64))
played.play_one(402, np.zeros(0, COMMAND)).digest
rows_digest(*(np.frombuffer(b"", dtype) for dtype in (EXECUTION, QUOTE, DEPTH, TICK)))
for rows in (output.executions, output.depth, np.zeros(2, COMMAND), np.frombuffer(bytes(COMMAND.itemsize), COMMAND)):
    unpack(pack(rows), rows.dtype)
unpack_windows([pack_inputs([PartInput(0, 0, 0, 0, rows, rows)])], np.zeros(1, np.int64), 1)
book.depth(), book.resting(), book.by_order(5, 5), book.find(1, 1), book.next_due_ns
print([(name, kernel.signatures) for name, kernel in ALL.items() if len(kernel.signatures) != 1])
"""


@pytest.mark.timeout(300)
def test_a_market_compiles_nothing_that_was_not_compiled_ahead() -> None:
    """Each kernel is called with arguments of one kind: an image has no others, and its disk may not be written to."""
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.returncode) == ("[]", 0), done.stdout + done.stderr
