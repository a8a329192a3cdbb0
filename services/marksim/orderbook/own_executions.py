"""One account's way along the tape: its own order events, window by window, and nothing of anyone else's."""

from collections import deque
from collections.abc import Iterable
from itertools import groupby
from typing import Final

from marksim.codec import decode_columns, encode_columns
from marksim.core.errors import InvalidInput
from marksim.core.types import EXECUTION, Records
from marksim.orderbook.accounts import account_number
from marksim.orderbook.sequencing import Sequencer
from marksim.orderbook.stream import TickReader
from marksim.v1 import orderbook_pb2 as pb
from marksim.v1 import types_pb2

MAX_ROWS: Final = 16_384
"""Most rows of one response: some 2 MiB, below the 4 MiB that gRPC clients take by default."""
OF_OWNER: Final = ("account", "serial", "leaves_lots")
OF_MAKER: Final = ("maker_account", "maker_serial", "maker_leaves_lots")
"""What tells of one side of a trade who it is, and what it has left, hidden size included."""


class ExecutionReader:
    """Where the stream of one account is on the tape, and its next response. Raises InvalidInput as TickReader does."""

    batch_s = 0.0

    def __init__(self, sequencer: Sequencer, request: pb.StreamExecutionsRequest) -> None:
        asked = pb.StreamTicksRequest(symbols=request.symbols, parts=[pb.FRAME_PART_EXECUTIONS], after_run=request.after_run)
        if request.HasField("after_window"):
            asked.after_window = request.after_window
        self._sequencer = sequencer
        self._frames = TickReader(sequencer.tape, asked)
        self._account = account_number(request.account)
        if request.after_rows and not (request.after_run and request.HasField("after_window")):
            problem = f"after_rows is {request.after_rows}: give it with after_run and after_window, or leave it out"
            raise InvalidInput(problem, metadata={"field": "after_rows"})
        self._begun = (request.after_run, request.after_window + 1)
        """The window of which `after_rows` are told already."""
        self._after_rows = request.after_rows
        self._due: deque[pb.StreamExecutionsResponse] = deque()

    @property
    def backlogged(self) -> bool:
        """Whether there is more to come at once."""
        return bool(self._due) or self._frames.backlogged

    @property
    def catches_up(self) -> bool:
        """Whether there is more to come at once, in memory, and nothing that is due."""
        return not self._due and self._frames.catches_up

    @property
    def behind(self) -> bool:
        """Whether what comes next is to be fetched."""
        return not self._due and self._frames.behind

    async def fetch(self, patience_s: float) -> None:
        """Wait for what comes next, at most so long; raises Damaged."""
        await self._frames.fetch(patience_s)

    def close(self) -> None:
        """Wait for nothing more."""
        self._frames.close()

    def take(self) -> pb.StreamExecutionsResponse | None:
        """The next response that cannot wait for the heartbeat; None when the account has been told all that
        is in memory for it, or it has come a piece further with nothing for it.
        """
        while not self._due:
            message = self._frames.take()
            if message is None:
                return None
            self._due.extend(self._responses(message))
            if not self._due and self._frames.catches_up:
                return None
        return self._due.popleft()

    def heartbeat(self) -> pb.StreamExecutionsResponse:
        """A response that says how far the market is, or the account if it is behind; only after `take` had none."""
        return _position(self._frames.heartbeat())

    def _responses(self, message: pb.StreamTicksResponse) -> list[pb.StreamExecutionsResponse]:
        responses = []
        for window, frames in groupby(message.frames, key=lambda frame: frame.window):
            responses += self._window(message.run, window, frames)
        if (message.HasField("gap") or message.HasField("run_started")) and not responses:
            responses.append(_position(message))
        if message.HasField("gap"):
            responses[0].gap.CopyFrom(message.gap)
        return responses

    def _window(self, run: str, window: int, frames: Iterable[pb.Frame]) -> list[pb.StreamExecutionsResponse]:
        """What happened to the account in one window, in as many responses as it needs; none where nothing did."""
        responses: list[pb.StreamExecutionsResponse] = []
        room, told = 0, self._after_rows if (run, window) == self._begun else 0
        skip = told
        for frame in frames:
            rows = own_rows(frame.executions, self._account)
            rows, skip = rows[skip:], max(skip - len(rows), 0)
            for begin in range(0, len(rows), MAX_ROWS):
                part = rows[begin : begin + MAX_ROWS]
                if room < len(part):
                    responses.append(pb.StreamExecutionsResponse(run=run, window=window - 1, more=True))
                    room = MAX_ROWS
                room -= len(part)
                responses[-1].told_rows = told = told + len(part)
                responses[-1].executions.add(
                    symbol=frame.symbol,
                    executions=encode_columns(part, types_pb2.ExecutionColumns),
                    client_order_ids=self._names(run, frame.symbol, part),
                    window=window,
                )
        if responses:
            last = responses[-1]
            last.window, last.more, last.told_rows = window, False, 0
        return responses

    def _names(self, run: str, symbol: str, rows: Records) -> dict[int, str]:
        current, outside = self._sequencer.run, self._sequencer.outside
        if current is None or current.run != run:
            # Serials begin anew with each run, and only the orders of the current one are known.
            return {}
        serials = {
            *rows["serial"][rows["account"] == self._account].tolist(),
            *rows["maker_serial"][rows["maker_account"] == self._account].tolist(),
        }
        orders = ((serial, outside.order(symbol, serial)) for serial in serials)
        return {serial: order.client_order_id for serial, order in orders if order is not None}


def own_rows(columns: types_pb2.ExecutionColumns, account: int) -> Records:
    """The rows of which the account is owner or maker, without what would tell who is on the other side."""
    number = account.to_bytes(8, "little")
    if number not in columns.account and number not in columns.maker_account:
        # Nearly all windows: nothing needs to be decoded.
        return decode_columns(types_pb2.ExecutionColumns(), EXECUTION)
    rows = decode_columns(columns, EXECUTION)
    rows = rows.compress((rows["account"] == account) | (rows["maker_account"] == account))
    for of_party, names in (("account", OF_OWNER), ("maker_account", OF_MAKER)):
        of_other = rows[of_party] != account
        for name in names:
            rows[name][of_other] = 0
    return rows


def _position(message: pb.StreamTicksResponse) -> pb.StreamExecutionsResponse:
    window = message.last_window if message.HasField("last_window") else -1
    return pb.StreamExecutionsResponse(run=message.run, window=window)
