from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ClockState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CLOCK_STATE_UNSPECIFIED: _ClassVar[ClockState]
    CLOCK_STATE_STARTING: _ClassVar[ClockState]
    CLOCK_STATE_RUNNING: _ClassVar[ClockState]
    CLOCK_STATE_PAUSED: _ClassVar[ClockState]
    CLOCK_STATE_WAITING: _ClassVar[ClockState]
    CLOCK_STATE_FINISHED: _ClassVar[ClockState]
    CLOCK_STATE_FAILED: _ClassVar[ClockState]

class Bottleneck(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    BOTTLENECK_UNSPECIFIED: _ClassVar[Bottleneck]
    BOTTLENECK_AGENTS: _ClassVar[Bottleneck]
    BOTTLENECK_POPULATIONS: _ClassVar[Bottleneck]
    BOTTLENECK_ORDER_BOOK: _ClassVar[Bottleneck]
    BOTTLENECK_MACHINE: _ClassVar[Bottleneck]

class RunUntilKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RUN_UNTIL_KIND_UNSPECIFIED: _ClassVar[RunUntilKind]
    RUN_UNTIL_KIND_TRADE: _ClassVar[RunUntilKind]
    RUN_UNTIL_KIND_SESSION_CHANGE: _ClassVar[RunUntilKind]
    RUN_UNTIL_KIND_PRICE_AT_OR_ABOVE: _ClassVar[RunUntilKind]
    RUN_UNTIL_KIND_PRICE_AT_OR_BELOW: _ClassVar[RunUntilKind]
    RUN_UNTIL_KIND_AGENT_FAILURE: _ClassVar[RunUntilKind]
CLOCK_STATE_UNSPECIFIED: ClockState
CLOCK_STATE_STARTING: ClockState
CLOCK_STATE_RUNNING: ClockState
CLOCK_STATE_PAUSED: ClockState
CLOCK_STATE_WAITING: ClockState
CLOCK_STATE_FINISHED: ClockState
CLOCK_STATE_FAILED: ClockState
BOTTLENECK_UNSPECIFIED: Bottleneck
BOTTLENECK_AGENTS: Bottleneck
BOTTLENECK_POPULATIONS: Bottleneck
BOTTLENECK_ORDER_BOOK: Bottleneck
BOTTLENECK_MACHINE: Bottleneck
RUN_UNTIL_KIND_UNSPECIFIED: RunUntilKind
RUN_UNTIL_KIND_TRADE: RunUntilKind
RUN_UNTIL_KIND_SESSION_CHANGE: RunUntilKind
RUN_UNTIL_KIND_PRICE_AT_OR_ABOVE: RunUntilKind
RUN_UNTIL_KIND_PRICE_AT_OR_BELOW: RunUntilKind
RUN_UNTIL_KIND_AGENT_FAILURE: RunUntilKind

class Speed(_message.Message):
    __slots__ = ("factor", "max")
    FACTOR_FIELD_NUMBER: _ClassVar[int]
    MAX_FIELD_NUMBER: _ClassVar[int]
    factor: float
    max: bool
    def __init__(self, factor: _Optional[float] = ..., max: _Optional[bool] = ...) -> None: ...

class EngineStatus(_message.Message):
    __slots__ = ("run", "term", "scenario", "scenario_hash", "seed", "state", "message", "simulated_time_ns", "start_time_ns", "windows", "lookahead_ns", "speed", "measured_speed", "lag_seconds", "slips", "slipped_seconds", "agents_share", "book_share", "idle_share", "agents", "failed_agents", "orders_total", "trades_total", "shards", "quantised", "runs", "bottleneck", "bottleneck_message", "running_until", "end_time_ns", "populations_share", "traders", "population_orders", "tape_hash", "tape_window", "saved_window", "replay", "ephemeral_agents")
    RUN_FIELD_NUMBER: _ClassVar[int]
    TERM_FIELD_NUMBER: _ClassVar[int]
    SCENARIO_FIELD_NUMBER: _ClassVar[int]
    SCENARIO_HASH_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    SIMULATED_TIME_NS_FIELD_NUMBER: _ClassVar[int]
    START_TIME_NS_FIELD_NUMBER: _ClassVar[int]
    WINDOWS_FIELD_NUMBER: _ClassVar[int]
    LOOKAHEAD_NS_FIELD_NUMBER: _ClassVar[int]
    SPEED_FIELD_NUMBER: _ClassVar[int]
    MEASURED_SPEED_FIELD_NUMBER: _ClassVar[int]
    LAG_SECONDS_FIELD_NUMBER: _ClassVar[int]
    SLIPS_FIELD_NUMBER: _ClassVar[int]
    SLIPPED_SECONDS_FIELD_NUMBER: _ClassVar[int]
    AGENTS_SHARE_FIELD_NUMBER: _ClassVar[int]
    BOOK_SHARE_FIELD_NUMBER: _ClassVar[int]
    IDLE_SHARE_FIELD_NUMBER: _ClassVar[int]
    AGENTS_FIELD_NUMBER: _ClassVar[int]
    FAILED_AGENTS_FIELD_NUMBER: _ClassVar[int]
    ORDERS_TOTAL_FIELD_NUMBER: _ClassVar[int]
    TRADES_TOTAL_FIELD_NUMBER: _ClassVar[int]
    SHARDS_FIELD_NUMBER: _ClassVar[int]
    QUANTISED_FIELD_NUMBER: _ClassVar[int]
    RUNS_FIELD_NUMBER: _ClassVar[int]
    BOTTLENECK_FIELD_NUMBER: _ClassVar[int]
    BOTTLENECK_MESSAGE_FIELD_NUMBER: _ClassVar[int]
    RUNNING_UNTIL_FIELD_NUMBER: _ClassVar[int]
    END_TIME_NS_FIELD_NUMBER: _ClassVar[int]
    POPULATIONS_SHARE_FIELD_NUMBER: _ClassVar[int]
    TRADERS_FIELD_NUMBER: _ClassVar[int]
    POPULATION_ORDERS_FIELD_NUMBER: _ClassVar[int]
    TAPE_HASH_FIELD_NUMBER: _ClassVar[int]
    TAPE_WINDOW_FIELD_NUMBER: _ClassVar[int]
    SAVED_WINDOW_FIELD_NUMBER: _ClassVar[int]
    REPLAY_FIELD_NUMBER: _ClassVar[int]
    EPHEMERAL_AGENTS_FIELD_NUMBER: _ClassVar[int]
    run: str
    term: int
    scenario: str
    scenario_hash: str
    seed: int
    state: ClockState
    message: str
    simulated_time_ns: int
    start_time_ns: int
    windows: int
    lookahead_ns: int
    speed: Speed
    measured_speed: float
    lag_seconds: float
    slips: int
    slipped_seconds: float
    agents_share: float
    book_share: float
    idle_share: float
    agents: int
    failed_agents: int
    orders_total: int
    trades_total: int
    shards: _containers.RepeatedCompositeFieldContainer[ShardStatus]
    quantised: bool
    runs: int
    bottleneck: Bottleneck
    bottleneck_message: str
    running_until: str
    end_time_ns: int
    populations_share: float
    traders: int
    population_orders: int
    tape_hash: str
    tape_window: int
    saved_window: int
    replay: bool
    ephemeral_agents: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, run: _Optional[str] = ..., term: _Optional[int] = ..., scenario: _Optional[str] = ..., scenario_hash: _Optional[str] = ..., seed: _Optional[int] = ..., state: _Optional[_Union[ClockState, str]] = ..., message: _Optional[str] = ..., simulated_time_ns: _Optional[int] = ..., start_time_ns: _Optional[int] = ..., windows: _Optional[int] = ..., lookahead_ns: _Optional[int] = ..., speed: _Optional[_Union[Speed, _Mapping]] = ..., measured_speed: _Optional[float] = ..., lag_seconds: _Optional[float] = ..., slips: _Optional[int] = ..., slipped_seconds: _Optional[float] = ..., agents_share: _Optional[float] = ..., book_share: _Optional[float] = ..., idle_share: _Optional[float] = ..., agents: _Optional[int] = ..., failed_agents: _Optional[int] = ..., orders_total: _Optional[int] = ..., trades_total: _Optional[int] = ..., shards: _Optional[_Iterable[_Union[ShardStatus, _Mapping]]] = ..., quantised: _Optional[bool] = ..., runs: _Optional[int] = ..., bottleneck: _Optional[_Union[Bottleneck, str]] = ..., bottleneck_message: _Optional[str] = ..., running_until: _Optional[str] = ..., end_time_ns: _Optional[int] = ..., populations_share: _Optional[float] = ..., traders: _Optional[int] = ..., population_orders: _Optional[int] = ..., tape_hash: _Optional[str] = ..., tape_window: _Optional[int] = ..., saved_window: _Optional[int] = ..., replay: _Optional[bool] = ..., ephemeral_agents: _Optional[_Iterable[str]] = ...) -> None: ...

class ShardStatus(_message.Message):
    __slots__ = ("address", "connected", "symbols", "last_window")
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    CONNECTED_FIELD_NUMBER: _ClassVar[int]
    SYMBOLS_FIELD_NUMBER: _ClassVar[int]
    LAST_WINDOW_FIELD_NUMBER: _ClassVar[int]
    address: str
    connected: bool
    symbols: _containers.RepeatedScalarFieldContainer[str]
    last_window: int
    def __init__(self, address: _Optional[str] = ..., connected: _Optional[bool] = ..., symbols: _Optional[_Iterable[str]] = ..., last_window: _Optional[int] = ...) -> None: ...

class GetStatusRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetStatusResponse(_message.Message):
    __slots__ = ("status",)
    STATUS_FIELD_NUMBER: _ClassVar[int]
    status: EngineStatus
    def __init__(self, status: _Optional[_Union[EngineStatus, _Mapping]] = ...) -> None: ...

class PauseRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class PauseResponse(_message.Message):
    __slots__ = ("status",)
    STATUS_FIELD_NUMBER: _ClassVar[int]
    status: EngineStatus
    def __init__(self, status: _Optional[_Union[EngineStatus, _Mapping]] = ...) -> None: ...

class ResumeRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ResumeResponse(_message.Message):
    __slots__ = ("status",)
    STATUS_FIELD_NUMBER: _ClassVar[int]
    status: EngineStatus
    def __init__(self, status: _Optional[_Union[EngineStatus, _Mapping]] = ...) -> None: ...

class StepRequest(_message.Message):
    __slots__ = ("windows",)
    WINDOWS_FIELD_NUMBER: _ClassVar[int]
    windows: int
    def __init__(self, windows: _Optional[int] = ...) -> None: ...

class StepResponse(_message.Message):
    __slots__ = ("status",)
    STATUS_FIELD_NUMBER: _ClassVar[int]
    status: EngineStatus
    def __init__(self, status: _Optional[_Union[EngineStatus, _Mapping]] = ...) -> None: ...

class SetSpeedRequest(_message.Message):
    __slots__ = ("speed",)
    SPEED_FIELD_NUMBER: _ClassVar[int]
    speed: Speed
    def __init__(self, speed: _Optional[_Union[Speed, _Mapping]] = ...) -> None: ...

class SetSpeedResponse(_message.Message):
    __slots__ = ("status",)
    STATUS_FIELD_NUMBER: _ClassVar[int]
    status: EngineStatus
    def __init__(self, status: _Optional[_Union[EngineStatus, _Mapping]] = ...) -> None: ...

class RunUntilRequest(_message.Message):
    __slots__ = ("simulated_time_ns", "for_ns", "event")
    SIMULATED_TIME_NS_FIELD_NUMBER: _ClassVar[int]
    FOR_NS_FIELD_NUMBER: _ClassVar[int]
    EVENT_FIELD_NUMBER: _ClassVar[int]
    simulated_time_ns: int
    for_ns: int
    event: RunUntilEvent
    def __init__(self, simulated_time_ns: _Optional[int] = ..., for_ns: _Optional[int] = ..., event: _Optional[_Union[RunUntilEvent, _Mapping]] = ...) -> None: ...

class RunUntilEvent(_message.Message):
    __slots__ = ("kind", "symbol", "price_ticks", "price")
    KIND_FIELD_NUMBER: _ClassVar[int]
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    PRICE_TICKS_FIELD_NUMBER: _ClassVar[int]
    PRICE_FIELD_NUMBER: _ClassVar[int]
    kind: RunUntilKind
    symbol: str
    price_ticks: int
    price: str
    def __init__(self, kind: _Optional[_Union[RunUntilKind, str]] = ..., symbol: _Optional[str] = ..., price_ticks: _Optional[int] = ..., price: _Optional[str] = ...) -> None: ...

class RunUntilResponse(_message.Message):
    __slots__ = ("status",)
    STATUS_FIELD_NUMBER: _ClassVar[int]
    status: EngineStatus
    def __init__(self, status: _Optional[_Union[EngineStatus, _Mapping]] = ...) -> None: ...

class InjectEventRequest(_message.Message):
    __slots__ = ("news_shock", "halt", "fat_finger", "liquidity_withdrawal", "flash_crash")
    NEWS_SHOCK_FIELD_NUMBER: _ClassVar[int]
    HALT_FIELD_NUMBER: _ClassVar[int]
    FAT_FINGER_FIELD_NUMBER: _ClassVar[int]
    LIQUIDITY_WITHDRAWAL_FIELD_NUMBER: _ClassVar[int]
    FLASH_CRASH_FIELD_NUMBER: _ClassVar[int]
    news_shock: NewsShock
    halt: Halt
    fat_finger: FatFinger
    liquidity_withdrawal: LiquidityWithdrawal
    flash_crash: FlashCrash
    def __init__(self, news_shock: _Optional[_Union[NewsShock, _Mapping]] = ..., halt: _Optional[_Union[Halt, _Mapping]] = ..., fat_finger: _Optional[_Union[FatFinger, _Mapping]] = ..., liquidity_withdrawal: _Optional[_Union[LiquidityWithdrawal, _Mapping]] = ..., flash_crash: _Optional[_Union[FlashCrash, _Mapping]] = ...) -> None: ...

class NewsShock(_message.Message):
    __slots__ = ("symbol", "change_ppm")
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    CHANGE_PPM_FIELD_NUMBER: _ClassVar[int]
    symbol: str
    change_ppm: int
    def __init__(self, symbol: _Optional[str] = ..., change_ppm: _Optional[int] = ...) -> None: ...

class Halt(_message.Message):
    __slots__ = ("symbol", "duration_ns")
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    DURATION_NS_FIELD_NUMBER: _ClassVar[int]
    symbol: str
    duration_ns: int
    def __init__(self, symbol: _Optional[str] = ..., duration_ns: _Optional[int] = ...) -> None: ...

class FatFinger(_message.Message):
    __slots__ = ("symbol", "quantity_lots", "sell", "quantity")
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_LOTS_FIELD_NUMBER: _ClassVar[int]
    SELL_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    symbol: str
    quantity_lots: int
    sell: bool
    quantity: str
    def __init__(self, symbol: _Optional[str] = ..., quantity_lots: _Optional[int] = ..., sell: _Optional[bool] = ..., quantity: _Optional[str] = ...) -> None: ...

class LiquidityWithdrawal(_message.Message):
    __slots__ = ("symbol", "duration_ns", "share_ppm")
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    DURATION_NS_FIELD_NUMBER: _ClassVar[int]
    SHARE_PPM_FIELD_NUMBER: _ClassVar[int]
    symbol: str
    duration_ns: int
    share_ppm: int
    def __init__(self, symbol: _Optional[str] = ..., duration_ns: _Optional[int] = ..., share_ppm: _Optional[int] = ...) -> None: ...

class FlashCrash(_message.Message):
    __slots__ = ("symbol", "quantity_lots", "quantity", "duration_ns", "interval_ns", "share_ppm")
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_LOTS_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    DURATION_NS_FIELD_NUMBER: _ClassVar[int]
    INTERVAL_NS_FIELD_NUMBER: _ClassVar[int]
    SHARE_PPM_FIELD_NUMBER: _ClassVar[int]
    symbol: str
    quantity_lots: int
    quantity: str
    duration_ns: int
    interval_ns: int
    share_ppm: int
    def __init__(self, symbol: _Optional[str] = ..., quantity_lots: _Optional[int] = ..., quantity: _Optional[str] = ..., duration_ns: _Optional[int] = ..., interval_ns: _Optional[int] = ..., share_ppm: _Optional[int] = ...) -> None: ...

class InjectEventResponse(_message.Message):
    __slots__ = ("window",)
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    window: int
    def __init__(self, window: _Optional[int] = ...) -> None: ...

class WatchStatusRequest(_message.Message):
    __slots__ = ("interval_ms",)
    INTERVAL_MS_FIELD_NUMBER: _ClassVar[int]
    interval_ms: int
    def __init__(self, interval_ms: _Optional[int] = ...) -> None: ...

class WatchStatusResponse(_message.Message):
    __slots__ = ("status",)
    STATUS_FIELD_NUMBER: _ClassVar[int]
    status: EngineStatus
    def __init__(self, status: _Optional[_Union[EngineStatus, _Mapping]] = ...) -> None: ...
