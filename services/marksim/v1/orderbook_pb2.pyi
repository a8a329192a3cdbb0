from marksim.v1 import types_pb2 as _types_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class FramePart(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FRAME_PART_UNSPECIFIED: _ClassVar[FramePart]
    FRAME_PART_TICKS: _ClassVar[FramePart]
    FRAME_PART_TRADES: _ClassVar[FramePart]
    FRAME_PART_QUOTES: _ClassVar[FramePart]
    FRAME_PART_DEPTH: _ClassVar[FramePart]
    FRAME_PART_EXECUTIONS: _ClassVar[FramePart]

class Delivery(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DELIVERY_UNSPECIFIED: _ClassVar[Delivery]
    DELIVERY_LOSSLESS: _ClassVar[Delivery]
    DELIVERY_LATEST: _ClassVar[Delivery]
FRAME_PART_UNSPECIFIED: FramePart
FRAME_PART_TICKS: FramePart
FRAME_PART_TRADES: FramePart
FRAME_PART_QUOTES: FramePart
FRAME_PART_DEPTH: FramePart
FRAME_PART_EXECUTIONS: FramePart
DELIVERY_UNSPECIFIED: Delivery
DELIVERY_LOSSLESS: Delivery
DELIVERY_LATEST: Delivery

class TradeRequest(_message.Message):
    __slots__ = ("open", "window", "pace", "saved")
    OPEN_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    PACE_FIELD_NUMBER: _ClassVar[int]
    SAVED_FIELD_NUMBER: _ClassVar[int]
    open: OpenRun
    window: WindowCommands
    pace: Pace
    saved: Saved
    def __init__(self, open: _Optional[_Union[OpenRun, _Mapping]] = ..., window: _Optional[_Union[WindowCommands, _Mapping]] = ..., pace: _Optional[_Union[Pace, _Mapping]] = ..., saved: _Optional[_Union[Saved, _Mapping]] = ...) -> None: ...

class OpenRun(_message.Message):
    __slots__ = ("run", "term", "instance", "scenario_hash", "seed", "start_time_ns", "lookahead_ns", "scenario", "scenario_text", "replay")
    RUN_FIELD_NUMBER: _ClassVar[int]
    TERM_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_FIELD_NUMBER: _ClassVar[int]
    SCENARIO_HASH_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    START_TIME_NS_FIELD_NUMBER: _ClassVar[int]
    LOOKAHEAD_NS_FIELD_NUMBER: _ClassVar[int]
    SCENARIO_FIELD_NUMBER: _ClassVar[int]
    SCENARIO_TEXT_FIELD_NUMBER: _ClassVar[int]
    REPLAY_FIELD_NUMBER: _ClassVar[int]
    run: str
    term: int
    instance: str
    scenario_hash: str
    seed: int
    start_time_ns: int
    lookahead_ns: int
    scenario: str
    scenario_text: str
    replay: bool
    def __init__(self, run: _Optional[str] = ..., term: _Optional[int] = ..., instance: _Optional[str] = ..., scenario_hash: _Optional[str] = ..., seed: _Optional[int] = ..., start_time_ns: _Optional[int] = ..., lookahead_ns: _Optional[int] = ..., scenario: _Optional[str] = ..., scenario_text: _Optional[str] = ..., replay: _Optional[bool] = ...) -> None: ...

class WindowCommands(_message.Message):
    __slots__ = ("window", "commands", "control", "tapes")
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    COMMANDS_FIELD_NUMBER: _ClassVar[int]
    CONTROL_FIELD_NUMBER: _ClassVar[int]
    TAPES_FIELD_NUMBER: _ClassVar[int]
    window: int
    commands: _containers.RepeatedCompositeFieldContainer[SymbolCommands]
    control: bytes
    tapes: bool
    def __init__(self, window: _Optional[int] = ..., commands: _Optional[_Iterable[_Union[SymbolCommands, _Mapping]]] = ..., control: _Optional[bytes] = ..., tapes: _Optional[bool] = ...) -> None: ...

class SymbolCommands(_message.Message):
    __slots__ = ("symbol", "commands")
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    COMMANDS_FIELD_NUMBER: _ClassVar[int]
    symbol: str
    commands: _types_pb2.CommandColumns
    def __init__(self, symbol: _Optional[str] = ..., commands: _Optional[_Union[_types_pb2.CommandColumns, _Mapping]] = ...) -> None: ...

class Pace(_message.Message):
    __slots__ = ("paused",)
    PAUSED_FIELD_NUMBER: _ClassVar[int]
    paused: bool
    def __init__(self, paused: _Optional[bool] = ...) -> None: ...

class Saved(_message.Message):
    __slots__ = ("window",)
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    window: int
    def __init__(self, window: _Optional[int] = ...) -> None: ...

class TradeResponse(_message.Message):
    __slots__ = ("opened", "result", "held")
    OPENED_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    HELD_FIELD_NUMBER: _ClassVar[int]
    opened: RunOpened
    result: WindowResult
    held: Held
    def __init__(self, opened: _Optional[_Union[RunOpened, _Mapping]] = ..., result: _Optional[_Union[WindowResult, _Mapping]] = ..., held: _Optional[_Union[Held, _Mapping]] = ...) -> None: ...

class Held(_message.Message):
    __slots__ = ("reason",)
    REASON_FIELD_NUMBER: _ClassVar[int]
    reason: str
    def __init__(self, reason: _Optional[str] = ...) -> None: ...

class RunOpened(_message.Message):
    __slots__ = ("run", "last_window")
    RUN_FIELD_NUMBER: _ClassVar[int]
    LAST_WINDOW_FIELD_NUMBER: _ClassVar[int]
    run: str
    last_window: int
    def __init__(self, run: _Optional[str] = ..., last_window: _Optional[int] = ...) -> None: ...

class WindowResult(_message.Message):
    __slots__ = ("window", "results", "tapes")
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    TAPES_FIELD_NUMBER: _ClassVar[int]
    window: int
    results: _containers.RepeatedCompositeFieldContainer[SymbolResult]
    tapes: _containers.RepeatedCompositeFieldContainer[SymbolTape]
    def __init__(self, window: _Optional[int] = ..., results: _Optional[_Iterable[_Union[SymbolResult, _Mapping]]] = ..., tapes: _Optional[_Iterable[_Union[SymbolTape, _Mapping]]] = ...) -> None: ...

class SymbolResult(_message.Message):
    __slots__ = ("symbol", "executions", "quotes", "tick")
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    EXECUTIONS_FIELD_NUMBER: _ClassVar[int]
    QUOTES_FIELD_NUMBER: _ClassVar[int]
    TICK_FIELD_NUMBER: _ClassVar[int]
    symbol: str
    executions: _types_pb2.ExecutionColumns
    quotes: _types_pb2.QuoteColumns
    tick: _types_pb2.Tick
    def __init__(self, symbol: _Optional[str] = ..., executions: _Optional[_Union[_types_pb2.ExecutionColumns, _Mapping]] = ..., quotes: _Optional[_Union[_types_pb2.QuoteColumns, _Mapping]] = ..., tick: _Optional[_Union[_types_pb2.Tick, _Mapping]] = ...) -> None: ...

class StreamTicksRequest(_message.Message):
    __slots__ = ("symbols", "parts", "delivery", "reader", "after_run", "after_window", "batch_interval_ms")
    SYMBOLS_FIELD_NUMBER: _ClassVar[int]
    PARTS_FIELD_NUMBER: _ClassVar[int]
    DELIVERY_FIELD_NUMBER: _ClassVar[int]
    READER_FIELD_NUMBER: _ClassVar[int]
    AFTER_RUN_FIELD_NUMBER: _ClassVar[int]
    AFTER_WINDOW_FIELD_NUMBER: _ClassVar[int]
    BATCH_INTERVAL_MS_FIELD_NUMBER: _ClassVar[int]
    symbols: _containers.RepeatedScalarFieldContainer[str]
    parts: _containers.RepeatedScalarFieldContainer[FramePart]
    delivery: Delivery
    reader: str
    after_run: str
    after_window: int
    batch_interval_ms: int
    def __init__(self, symbols: _Optional[_Iterable[str]] = ..., parts: _Optional[_Iterable[_Union[FramePart, str]]] = ..., delivery: _Optional[_Union[Delivery, str]] = ..., reader: _Optional[str] = ..., after_run: _Optional[str] = ..., after_window: _Optional[int] = ..., batch_interval_ms: _Optional[int] = ...) -> None: ...

class StreamTicksResponse(_message.Message):
    __slots__ = ("run", "frames", "last_window", "simulated_time_ns", "gap", "dropped_frames", "run_started", "sent_time_us")
    RUN_FIELD_NUMBER: _ClassVar[int]
    FRAMES_FIELD_NUMBER: _ClassVar[int]
    LAST_WINDOW_FIELD_NUMBER: _ClassVar[int]
    SIMULATED_TIME_NS_FIELD_NUMBER: _ClassVar[int]
    GAP_FIELD_NUMBER: _ClassVar[int]
    DROPPED_FRAMES_FIELD_NUMBER: _ClassVar[int]
    RUN_STARTED_FIELD_NUMBER: _ClassVar[int]
    SENT_TIME_US_FIELD_NUMBER: _ClassVar[int]
    run: str
    frames: _containers.RepeatedCompositeFieldContainer[Frame]
    last_window: int
    simulated_time_ns: int
    gap: Gap
    dropped_frames: int
    run_started: RunStarted
    sent_time_us: int
    def __init__(self, run: _Optional[str] = ..., frames: _Optional[_Iterable[_Union[Frame, _Mapping]]] = ..., last_window: _Optional[int] = ..., simulated_time_ns: _Optional[int] = ..., gap: _Optional[_Union[Gap, _Mapping]] = ..., dropped_frames: _Optional[int] = ..., run_started: _Optional[_Union[RunStarted, _Mapping]] = ..., sent_time_us: _Optional[int] = ...) -> None: ...

class RunStarted(_message.Message):
    __slots__ = ("run", "scenario_hash", "seed", "start_time_ns", "lookahead_ns", "instruments")
    RUN_FIELD_NUMBER: _ClassVar[int]
    SCENARIO_HASH_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    START_TIME_NS_FIELD_NUMBER: _ClassVar[int]
    LOOKAHEAD_NS_FIELD_NUMBER: _ClassVar[int]
    INSTRUMENTS_FIELD_NUMBER: _ClassVar[int]
    run: str
    scenario_hash: str
    seed: int
    start_time_ns: int
    lookahead_ns: int
    instruments: _containers.RepeatedCompositeFieldContainer[_types_pb2.Instrument]
    def __init__(self, run: _Optional[str] = ..., scenario_hash: _Optional[str] = ..., seed: _Optional[int] = ..., start_time_ns: _Optional[int] = ..., lookahead_ns: _Optional[int] = ..., instruments: _Optional[_Iterable[_Union[_types_pb2.Instrument, _Mapping]]] = ...) -> None: ...

class Gap(_message.Message):
    __slots__ = ("run", "first_window", "last_window", "reason")
    RUN_FIELD_NUMBER: _ClassVar[int]
    FIRST_WINDOW_FIELD_NUMBER: _ClassVar[int]
    LAST_WINDOW_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    run: str
    first_window: int
    last_window: int
    reason: str
    def __init__(self, run: _Optional[str] = ..., first_window: _Optional[int] = ..., last_window: _Optional[int] = ..., reason: _Optional[str] = ...) -> None: ...

class Frame(_message.Message):
    __slots__ = ("symbol", "window", "previous_window", "tick", "trades", "quotes", "depth", "depth_snapshot", "executions")
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_WINDOW_FIELD_NUMBER: _ClassVar[int]
    TICK_FIELD_NUMBER: _ClassVar[int]
    TRADES_FIELD_NUMBER: _ClassVar[int]
    QUOTES_FIELD_NUMBER: _ClassVar[int]
    DEPTH_FIELD_NUMBER: _ClassVar[int]
    DEPTH_SNAPSHOT_FIELD_NUMBER: _ClassVar[int]
    EXECUTIONS_FIELD_NUMBER: _ClassVar[int]
    symbol: str
    window: int
    previous_window: int
    tick: _types_pb2.Tick
    trades: _types_pb2.TradeColumns
    quotes: _types_pb2.QuoteColumns
    depth: _types_pb2.DepthColumns
    depth_snapshot: _types_pb2.DepthColumns
    executions: _types_pb2.ExecutionColumns
    def __init__(self, symbol: _Optional[str] = ..., window: _Optional[int] = ..., previous_window: _Optional[int] = ..., tick: _Optional[_Union[_types_pb2.Tick, _Mapping]] = ..., trades: _Optional[_Union[_types_pb2.TradeColumns, _Mapping]] = ..., quotes: _Optional[_Union[_types_pb2.QuoteColumns, _Mapping]] = ..., depth: _Optional[_Union[_types_pb2.DepthColumns, _Mapping]] = ..., depth_snapshot: _Optional[_Union[_types_pb2.DepthColumns, _Mapping]] = ..., executions: _Optional[_Union[_types_pb2.ExecutionColumns, _Mapping]] = ...) -> None: ...

class ConfirmWindowRequest(_message.Message):
    __slots__ = ("reader", "run", "window")
    READER_FIELD_NUMBER: _ClassVar[int]
    RUN_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    reader: str
    run: str
    window: int
    def __init__(self, reader: _Optional[str] = ..., run: _Optional[str] = ..., window: _Optional[int] = ...) -> None: ...

class ConfirmWindowResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListReadersRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListReadersResponse(_message.Message):
    __slots__ = ("readers",)
    READERS_FIELD_NUMBER: _ClassVar[int]
    readers: _containers.RepeatedCompositeFieldContainer[Reader]
    def __init__(self, readers: _Optional[_Iterable[_Union[Reader, _Mapping]]] = ...) -> None: ...

class Reader(_message.Message):
    __slots__ = ("reader", "run", "window", "connected")
    READER_FIELD_NUMBER: _ClassVar[int]
    RUN_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    CONNECTED_FIELD_NUMBER: _ClassVar[int]
    reader: str
    run: str
    window: int
    connected: bool
    def __init__(self, reader: _Optional[str] = ..., run: _Optional[str] = ..., window: _Optional[int] = ..., connected: _Optional[bool] = ...) -> None: ...

class ForgetReaderRequest(_message.Message):
    __slots__ = ("reader",)
    READER_FIELD_NUMBER: _ClassVar[int]
    reader: str
    def __init__(self, reader: _Optional[str] = ...) -> None: ...

class ForgetReaderResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetRunRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetRunResponse(_message.Message):
    __slots__ = ("run", "term", "instance", "last_window", "scenario_hash", "engine_connected", "paused", "ended", "tapes", "scenario", "seed", "start_time_ns", "lookahead_ns", "replay", "first_window", "saved_window", "durability", "held")
    RUN_FIELD_NUMBER: _ClassVar[int]
    TERM_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_FIELD_NUMBER: _ClassVar[int]
    LAST_WINDOW_FIELD_NUMBER: _ClassVar[int]
    SCENARIO_HASH_FIELD_NUMBER: _ClassVar[int]
    ENGINE_CONNECTED_FIELD_NUMBER: _ClassVar[int]
    PAUSED_FIELD_NUMBER: _ClassVar[int]
    ENDED_FIELD_NUMBER: _ClassVar[int]
    TAPES_FIELD_NUMBER: _ClassVar[int]
    SCENARIO_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    START_TIME_NS_FIELD_NUMBER: _ClassVar[int]
    LOOKAHEAD_NS_FIELD_NUMBER: _ClassVar[int]
    REPLAY_FIELD_NUMBER: _ClassVar[int]
    FIRST_WINDOW_FIELD_NUMBER: _ClassVar[int]
    SAVED_WINDOW_FIELD_NUMBER: _ClassVar[int]
    DURABILITY_FIELD_NUMBER: _ClassVar[int]
    HELD_FIELD_NUMBER: _ClassVar[int]
    run: str
    term: int
    instance: str
    last_window: int
    scenario_hash: str
    engine_connected: bool
    paused: bool
    ended: bool
    tapes: _containers.RepeatedCompositeFieldContainer[SymbolTape]
    scenario: str
    seed: int
    start_time_ns: int
    lookahead_ns: int
    replay: bool
    first_window: int
    saved_window: int
    durability: str
    held: str
    def __init__(self, run: _Optional[str] = ..., term: _Optional[int] = ..., instance: _Optional[str] = ..., last_window: _Optional[int] = ..., scenario_hash: _Optional[str] = ..., engine_connected: _Optional[bool] = ..., paused: _Optional[bool] = ..., ended: _Optional[bool] = ..., tapes: _Optional[_Iterable[_Union[SymbolTape, _Mapping]]] = ..., scenario: _Optional[str] = ..., seed: _Optional[int] = ..., start_time_ns: _Optional[int] = ..., lookahead_ns: _Optional[int] = ..., replay: _Optional[bool] = ..., first_window: _Optional[int] = ..., saved_window: _Optional[int] = ..., durability: _Optional[str] = ..., held: _Optional[str] = ...) -> None: ...

class SymbolTape(_message.Message):
    __slots__ = ("symbol", "hash", "sequence")
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    HASH_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    symbol: str
    hash: str
    sequence: int
    def __init__(self, symbol: _Optional[str] = ..., hash: _Optional[str] = ..., sequence: _Optional[int] = ...) -> None: ...

class ReadWindowsRequest(_message.Message):
    __slots__ = ("run", "first_window", "last_window")
    RUN_FIELD_NUMBER: _ClassVar[int]
    FIRST_WINDOW_FIELD_NUMBER: _ClassVar[int]
    LAST_WINDOW_FIELD_NUMBER: _ClassVar[int]
    run: str
    first_window: int
    last_window: int
    def __init__(self, run: _Optional[str] = ..., first_window: _Optional[int] = ..., last_window: _Optional[int] = ...) -> None: ...

class ReadWindowsResponse(_message.Message):
    __slots__ = ("windows",)
    WINDOWS_FIELD_NUMBER: _ClassVar[int]
    windows: _containers.RepeatedCompositeFieldContainer[RecordedWindow]
    def __init__(self, windows: _Optional[_Iterable[_Union[RecordedWindow, _Mapping]]] = ...) -> None: ...

class RecordedWindow(_message.Message):
    __slots__ = ("window", "last_window", "control", "commands", "outside", "results")
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    LAST_WINDOW_FIELD_NUMBER: _ClassVar[int]
    CONTROL_FIELD_NUMBER: _ClassVar[int]
    COMMANDS_FIELD_NUMBER: _ClassVar[int]
    OUTSIDE_FIELD_NUMBER: _ClassVar[int]
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    window: int
    last_window: int
    control: bytes
    commands: _containers.RepeatedCompositeFieldContainer[SymbolCommands]
    outside: _containers.RepeatedCompositeFieldContainer[SymbolCommands]
    results: _containers.RepeatedCompositeFieldContainer[SymbolResult]
    def __init__(self, window: _Optional[int] = ..., last_window: _Optional[int] = ..., control: _Optional[bytes] = ..., commands: _Optional[_Iterable[_Union[SymbolCommands, _Mapping]]] = ..., outside: _Optional[_Iterable[_Union[SymbolCommands, _Mapping]]] = ..., results: _Optional[_Iterable[_Union[SymbolResult, _Mapping]]] = ...) -> None: ...

class GetBookRequest(_message.Message):
    __slots__ = ("symbol", "depth", "by_order")
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    DEPTH_FIELD_NUMBER: _ClassVar[int]
    BY_ORDER_FIELD_NUMBER: _ClassVar[int]
    symbol: str
    depth: int
    by_order: bool
    def __init__(self, symbol: _Optional[str] = ..., depth: _Optional[int] = ..., by_order: _Optional[bool] = ...) -> None: ...

class GetBookResponse(_message.Message):
    __slots__ = ("symbol", "bids", "asks", "window", "time_ns", "sequence", "run", "tick")
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    BIDS_FIELD_NUMBER: _ClassVar[int]
    ASKS_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    TIME_NS_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    RUN_FIELD_NUMBER: _ClassVar[int]
    TICK_FIELD_NUMBER: _ClassVar[int]
    symbol: str
    bids: _containers.RepeatedCompositeFieldContainer[BookLevel]
    asks: _containers.RepeatedCompositeFieldContainer[BookLevel]
    window: int
    time_ns: int
    sequence: int
    run: str
    tick: _types_pb2.Tick
    def __init__(self, symbol: _Optional[str] = ..., bids: _Optional[_Iterable[_Union[BookLevel, _Mapping]]] = ..., asks: _Optional[_Iterable[_Union[BookLevel, _Mapping]]] = ..., window: _Optional[int] = ..., time_ns: _Optional[int] = ..., sequence: _Optional[int] = ..., run: _Optional[str] = ..., tick: _Optional[_Union[_types_pb2.Tick, _Mapping]] = ...) -> None: ...

class BookLevel(_message.Message):
    __slots__ = ("price", "quantity", "order_count", "orders")
    PRICE_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    ORDER_COUNT_FIELD_NUMBER: _ClassVar[int]
    ORDERS_FIELD_NUMBER: _ClassVar[int]
    price: str
    quantity: str
    order_count: int
    orders: _containers.RepeatedCompositeFieldContainer[BookOrder]
    def __init__(self, price: _Optional[str] = ..., quantity: _Optional[str] = ..., order_count: _Optional[int] = ..., orders: _Optional[_Iterable[_Union[BookOrder, _Mapping]]] = ...) -> None: ...

class BookOrder(_message.Message):
    __slots__ = ("order_id", "quantity")
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    order_id: int
    quantity: str
    def __init__(self, order_id: _Optional[int] = ..., quantity: _Optional[str] = ...) -> None: ...

class ListInstrumentsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListInstrumentsResponse(_message.Message):
    __slots__ = ("instruments", "shard", "shards")
    INSTRUMENTS_FIELD_NUMBER: _ClassVar[int]
    SHARD_FIELD_NUMBER: _ClassVar[int]
    SHARDS_FIELD_NUMBER: _ClassVar[int]
    instruments: _containers.RepeatedCompositeFieldContainer[_types_pb2.Instrument]
    shard: int
    shards: int
    def __init__(self, instruments: _Optional[_Iterable[_Union[_types_pb2.Instrument, _Mapping]]] = ..., shard: _Optional[int] = ..., shards: _Optional[int] = ...) -> None: ...

class SubmitOrderRequest(_message.Message):
    __slots__ = ("account", "symbol", "client_order_id", "side", "order_type", "time_in_force", "quantity", "price", "stop_price", "display_quantity", "min_quantity", "post_only", "self_trade_prevention", "expire_time_ns", "queue_while_paused", "self_trade_group")
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    CLIENT_ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    SIDE_FIELD_NUMBER: _ClassVar[int]
    ORDER_TYPE_FIELD_NUMBER: _ClassVar[int]
    TIME_IN_FORCE_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    PRICE_FIELD_NUMBER: _ClassVar[int]
    STOP_PRICE_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_QUANTITY_FIELD_NUMBER: _ClassVar[int]
    MIN_QUANTITY_FIELD_NUMBER: _ClassVar[int]
    POST_ONLY_FIELD_NUMBER: _ClassVar[int]
    SELF_TRADE_PREVENTION_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_TIME_NS_FIELD_NUMBER: _ClassVar[int]
    QUEUE_WHILE_PAUSED_FIELD_NUMBER: _ClassVar[int]
    SELF_TRADE_GROUP_FIELD_NUMBER: _ClassVar[int]
    account: str
    symbol: str
    client_order_id: str
    side: _types_pb2.Side
    order_type: _types_pb2.OrderType
    time_in_force: _types_pb2.TimeInForce
    quantity: str
    price: str
    stop_price: str
    display_quantity: str
    min_quantity: str
    post_only: _types_pb2.PostOnly
    self_trade_prevention: _types_pb2.SelfTradePrevention
    expire_time_ns: int
    queue_while_paused: bool
    self_trade_group: str
    def __init__(self, account: _Optional[str] = ..., symbol: _Optional[str] = ..., client_order_id: _Optional[str] = ..., side: _Optional[_Union[_types_pb2.Side, str]] = ..., order_type: _Optional[_Union[_types_pb2.OrderType, str]] = ..., time_in_force: _Optional[_Union[_types_pb2.TimeInForce, str]] = ..., quantity: _Optional[str] = ..., price: _Optional[str] = ..., stop_price: _Optional[str] = ..., display_quantity: _Optional[str] = ..., min_quantity: _Optional[str] = ..., post_only: _Optional[_Union[_types_pb2.PostOnly, str]] = ..., self_trade_prevention: _Optional[_Union[_types_pb2.SelfTradePrevention, str]] = ..., expire_time_ns: _Optional[int] = ..., queue_while_paused: _Optional[bool] = ..., self_trade_group: _Optional[str] = ...) -> None: ...

class SubmitOrderResponse(_message.Message):
    __slots__ = ("order", "fills", "run", "window")
    ORDER_FIELD_NUMBER: _ClassVar[int]
    FILLS_FIELD_NUMBER: _ClassVar[int]
    RUN_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    order: _types_pb2.Order
    fills: _containers.RepeatedCompositeFieldContainer[_types_pb2.Fill]
    run: str
    window: int
    def __init__(self, order: _Optional[_Union[_types_pb2.Order, _Mapping]] = ..., fills: _Optional[_Iterable[_Union[_types_pb2.Fill, _Mapping]]] = ..., run: _Optional[str] = ..., window: _Optional[int] = ...) -> None: ...

class CancelOrderRequest(_message.Message):
    __slots__ = ("account", "symbol", "client_order_id", "queue_while_paused")
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    CLIENT_ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    QUEUE_WHILE_PAUSED_FIELD_NUMBER: _ClassVar[int]
    account: str
    symbol: str
    client_order_id: str
    queue_while_paused: bool
    def __init__(self, account: _Optional[str] = ..., symbol: _Optional[str] = ..., client_order_id: _Optional[str] = ..., queue_while_paused: _Optional[bool] = ...) -> None: ...

class CancelOrderResponse(_message.Message):
    __slots__ = ("order", "run", "window")
    ORDER_FIELD_NUMBER: _ClassVar[int]
    RUN_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    order: _types_pb2.Order
    run: str
    window: int
    def __init__(self, order: _Optional[_Union[_types_pb2.Order, _Mapping]] = ..., run: _Optional[str] = ..., window: _Optional[int] = ...) -> None: ...

class AmendOrderRequest(_message.Message):
    __slots__ = ("account", "symbol", "client_order_id", "new_client_order_id", "price", "quantity", "queue_while_paused")
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    CLIENT_ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    NEW_CLIENT_ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    PRICE_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    QUEUE_WHILE_PAUSED_FIELD_NUMBER: _ClassVar[int]
    account: str
    symbol: str
    client_order_id: str
    new_client_order_id: str
    price: str
    quantity: str
    queue_while_paused: bool
    def __init__(self, account: _Optional[str] = ..., symbol: _Optional[str] = ..., client_order_id: _Optional[str] = ..., new_client_order_id: _Optional[str] = ..., price: _Optional[str] = ..., quantity: _Optional[str] = ..., queue_while_paused: _Optional[bool] = ...) -> None: ...

class AmendOrderResponse(_message.Message):
    __slots__ = ("order", "fills", "run", "window")
    ORDER_FIELD_NUMBER: _ClassVar[int]
    FILLS_FIELD_NUMBER: _ClassVar[int]
    RUN_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    order: _types_pb2.Order
    fills: _containers.RepeatedCompositeFieldContainer[_types_pb2.Fill]
    run: str
    window: int
    def __init__(self, order: _Optional[_Union[_types_pb2.Order, _Mapping]] = ..., fills: _Optional[_Iterable[_Union[_types_pb2.Fill, _Mapping]]] = ..., run: _Optional[str] = ..., window: _Optional[int] = ...) -> None: ...

class MassCancelRequest(_message.Message):
    __slots__ = ("account", "symbol", "side", "queue_while_paused")
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    SIDE_FIELD_NUMBER: _ClassVar[int]
    QUEUE_WHILE_PAUSED_FIELD_NUMBER: _ClassVar[int]
    account: str
    symbol: str
    side: _types_pb2.Side
    queue_while_paused: bool
    def __init__(self, account: _Optional[str] = ..., symbol: _Optional[str] = ..., side: _Optional[_Union[_types_pb2.Side, str]] = ..., queue_while_paused: _Optional[bool] = ...) -> None: ...

class MassCancelResponse(_message.Message):
    __slots__ = ("orders", "run", "window", "cancelled")
    ORDERS_FIELD_NUMBER: _ClassVar[int]
    RUN_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    CANCELLED_FIELD_NUMBER: _ClassVar[int]
    orders: _containers.RepeatedCompositeFieldContainer[_types_pb2.Order]
    run: str
    window: int
    cancelled: int
    def __init__(self, orders: _Optional[_Iterable[_Union[_types_pb2.Order, _Mapping]]] = ..., run: _Optional[str] = ..., window: _Optional[int] = ..., cancelled: _Optional[int] = ...) -> None: ...

class SetSessionRequest(_message.Message):
    __slots__ = ("symbol", "state", "until_time_ns", "queue_while_paused")
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    UNTIL_TIME_NS_FIELD_NUMBER: _ClassVar[int]
    QUEUE_WHILE_PAUSED_FIELD_NUMBER: _ClassVar[int]
    symbol: str
    state: _types_pb2.SessionState
    until_time_ns: int
    queue_while_paused: bool
    def __init__(self, symbol: _Optional[str] = ..., state: _Optional[_Union[_types_pb2.SessionState, str]] = ..., until_time_ns: _Optional[int] = ..., queue_while_paused: _Optional[bool] = ...) -> None: ...

class SetSessionResponse(_message.Message):
    __slots__ = ("run", "window", "state")
    RUN_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    run: str
    window: int
    state: _types_pb2.SessionState
    def __init__(self, run: _Optional[str] = ..., window: _Optional[int] = ..., state: _Optional[_Union[_types_pb2.SessionState, str]] = ...) -> None: ...

class GetOrderRequest(_message.Message):
    __slots__ = ("account", "symbol", "client_order_id")
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    CLIENT_ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    account: str
    symbol: str
    client_order_id: str
    def __init__(self, account: _Optional[str] = ..., symbol: _Optional[str] = ..., client_order_id: _Optional[str] = ...) -> None: ...

class GetOrderResponse(_message.Message):
    __slots__ = ("order",)
    ORDER_FIELD_NUMBER: _ClassVar[int]
    order: _types_pb2.Order
    def __init__(self, order: _Optional[_Union[_types_pb2.Order, _Mapping]] = ...) -> None: ...

class ListOrdersRequest(_message.Message):
    __slots__ = ("account", "symbol", "open_only", "limit", "page_token")
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    OPEN_ONLY_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    account: str
    symbol: str
    open_only: bool
    limit: int
    page_token: str
    def __init__(self, account: _Optional[str] = ..., symbol: _Optional[str] = ..., open_only: _Optional[bool] = ..., limit: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListOrdersResponse(_message.Message):
    __slots__ = ("orders", "next_page_token")
    ORDERS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    orders: _containers.RepeatedCompositeFieldContainer[_types_pb2.Order]
    next_page_token: str
    def __init__(self, orders: _Optional[_Iterable[_Union[_types_pb2.Order, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ListTradesRequest(_message.Message):
    __slots__ = ("symbol", "account", "limit")
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    symbol: str
    account: str
    limit: int
    def __init__(self, symbol: _Optional[str] = ..., account: _Optional[str] = ..., limit: _Optional[int] = ...) -> None: ...

class ListTradesResponse(_message.Message):
    __slots__ = ("trades",)
    TRADES_FIELD_NUMBER: _ClassVar[int]
    trades: _containers.RepeatedCompositeFieldContainer[TradeRecord]
    def __init__(self, trades: _Optional[_Iterable[_Union[TradeRecord, _Mapping]]] = ...) -> None: ...

class TradeRecord(_message.Message):
    __slots__ = ("sequence", "time_ns", "taker_side", "price", "quantity", "fill")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    TIME_NS_FIELD_NUMBER: _ClassVar[int]
    TAKER_SIDE_FIELD_NUMBER: _ClassVar[int]
    PRICE_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    FILL_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    time_ns: int
    taker_side: _types_pb2.Side
    price: str
    quantity: str
    fill: _types_pb2.Fill
    def __init__(self, sequence: _Optional[int] = ..., time_ns: _Optional[int] = ..., taker_side: _Optional[_Union[_types_pb2.Side, str]] = ..., price: _Optional[str] = ..., quantity: _Optional[str] = ..., fill: _Optional[_Union[_types_pb2.Fill, _Mapping]] = ...) -> None: ...

class GetPositionRequest(_message.Message):
    __slots__ = ("account", "symbol")
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    account: str
    symbol: str
    def __init__(self, account: _Optional[str] = ..., symbol: _Optional[str] = ...) -> None: ...

class GetPositionResponse(_message.Message):
    __slots__ = ("positions",)
    POSITIONS_FIELD_NUMBER: _ClassVar[int]
    positions: _containers.RepeatedCompositeFieldContainer[Position]
    def __init__(self, positions: _Optional[_Iterable[_Union[Position, _Mapping]]] = ...) -> None: ...

class Position(_message.Message):
    __slots__ = ("symbol", "quantity", "cash", "trades")
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    CASH_FIELD_NUMBER: _ClassVar[int]
    TRADES_FIELD_NUMBER: _ClassVar[int]
    symbol: str
    quantity: str
    cash: str
    trades: int
    def __init__(self, symbol: _Optional[str] = ..., quantity: _Optional[str] = ..., cash: _Optional[str] = ..., trades: _Optional[int] = ...) -> None: ...

class StreamExecutionsRequest(_message.Message):
    __slots__ = ("account", "symbols", "after_run", "after_window", "after_rows", "cancel_on_disconnect", "cancel_grace_ms")
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    SYMBOLS_FIELD_NUMBER: _ClassVar[int]
    AFTER_RUN_FIELD_NUMBER: _ClassVar[int]
    AFTER_WINDOW_FIELD_NUMBER: _ClassVar[int]
    AFTER_ROWS_FIELD_NUMBER: _ClassVar[int]
    CANCEL_ON_DISCONNECT_FIELD_NUMBER: _ClassVar[int]
    CANCEL_GRACE_MS_FIELD_NUMBER: _ClassVar[int]
    account: str
    symbols: _containers.RepeatedScalarFieldContainer[str]
    after_run: str
    after_window: int
    after_rows: int
    cancel_on_disconnect: bool
    cancel_grace_ms: int
    def __init__(self, account: _Optional[str] = ..., symbols: _Optional[_Iterable[str]] = ..., after_run: _Optional[str] = ..., after_window: _Optional[int] = ..., after_rows: _Optional[int] = ..., cancel_on_disconnect: _Optional[bool] = ..., cancel_grace_ms: _Optional[int] = ...) -> None: ...

class StreamExecutionsResponse(_message.Message):
    __slots__ = ("run", "window", "executions", "gap", "more", "told_rows")
    RUN_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    EXECUTIONS_FIELD_NUMBER: _ClassVar[int]
    GAP_FIELD_NUMBER: _ClassVar[int]
    MORE_FIELD_NUMBER: _ClassVar[int]
    TOLD_ROWS_FIELD_NUMBER: _ClassVar[int]
    run: str
    window: int
    executions: _containers.RepeatedCompositeFieldContainer[SymbolExecutions]
    gap: Gap
    more: bool
    told_rows: int
    def __init__(self, run: _Optional[str] = ..., window: _Optional[int] = ..., executions: _Optional[_Iterable[_Union[SymbolExecutions, _Mapping]]] = ..., gap: _Optional[_Union[Gap, _Mapping]] = ..., more: _Optional[bool] = ..., told_rows: _Optional[int] = ...) -> None: ...

class SymbolExecutions(_message.Message):
    __slots__ = ("symbol", "executions", "client_order_ids", "window")
    class ClientOrderIdsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: int
        value: str
        def __init__(self, key: _Optional[int] = ..., value: _Optional[str] = ...) -> None: ...
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    EXECUTIONS_FIELD_NUMBER: _ClassVar[int]
    CLIENT_ORDER_IDS_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    symbol: str
    executions: _types_pb2.ExecutionColumns
    client_order_ids: _containers.ScalarMap[int, str]
    window: int
    def __init__(self, symbol: _Optional[str] = ..., executions: _Optional[_Union[_types_pb2.ExecutionColumns, _Mapping]] = ..., client_order_ids: _Optional[_Mapping[int, str]] = ..., window: _Optional[int] = ...) -> None: ...
