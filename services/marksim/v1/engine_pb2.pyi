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
CLOCK_STATE_UNSPECIFIED: ClockState
CLOCK_STATE_STARTING: ClockState
CLOCK_STATE_RUNNING: ClockState
CLOCK_STATE_PAUSED: ClockState
CLOCK_STATE_WAITING: ClockState
CLOCK_STATE_FINISHED: ClockState
CLOCK_STATE_FAILED: ClockState

class Speed(_message.Message):
    __slots__ = ("factor", "max")
    FACTOR_FIELD_NUMBER: _ClassVar[int]
    MAX_FIELD_NUMBER: _ClassVar[int]
    factor: float
    max: bool
    def __init__(self, factor: _Optional[float] = ..., max: _Optional[bool] = ...) -> None: ...

class EngineStatus(_message.Message):
    __slots__ = ("run", "term", "scenario", "scenario_hash", "seed", "state", "message", "simulated_time_ns", "start_time_ns", "windows", "lookahead_ns", "speed", "measured_speed", "lag_seconds", "slips", "slipped_seconds", "agents_share", "book_share", "idle_share", "agents", "failed_agents", "orders_total", "trades_total", "shards", "quantised", "runs")
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
    def __init__(self, run: _Optional[str] = ..., term: _Optional[int] = ..., scenario: _Optional[str] = ..., scenario_hash: _Optional[str] = ..., seed: _Optional[int] = ..., state: _Optional[_Union[ClockState, str]] = ..., message: _Optional[str] = ..., simulated_time_ns: _Optional[int] = ..., start_time_ns: _Optional[int] = ..., windows: _Optional[int] = ..., lookahead_ns: _Optional[int] = ..., speed: _Optional[_Union[Speed, _Mapping]] = ..., measured_speed: _Optional[float] = ..., lag_seconds: _Optional[float] = ..., slips: _Optional[int] = ..., slipped_seconds: _Optional[float] = ..., agents_share: _Optional[float] = ..., book_share: _Optional[float] = ..., idle_share: _Optional[float] = ..., agents: _Optional[int] = ..., failed_agents: _Optional[int] = ..., orders_total: _Optional[int] = ..., trades_total: _Optional[int] = ..., shards: _Optional[_Iterable[_Union[ShardStatus, _Mapping]]] = ..., quantised: _Optional[bool] = ..., runs: _Optional[int] = ...) -> None: ...

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
    __slots__ = ("simulated_time_ns",)
    SIMULATED_TIME_NS_FIELD_NUMBER: _ClassVar[int]
    simulated_time_ns: int
    def __init__(self, simulated_time_ns: _Optional[int] = ...) -> None: ...

class RunUntilResponse(_message.Message):
    __slots__ = ("status",)
    STATUS_FIELD_NUMBER: _ClassVar[int]
    status: EngineStatus
    def __init__(self, status: _Optional[_Union[EngineStatus, _Mapping]] = ...) -> None: ...

class InjectEventRequest(_message.Message):
    __slots__ = ("news_shock", "halt", "fat_finger")
    NEWS_SHOCK_FIELD_NUMBER: _ClassVar[int]
    HALT_FIELD_NUMBER: _ClassVar[int]
    FAT_FINGER_FIELD_NUMBER: _ClassVar[int]
    news_shock: NewsShock
    halt: Halt
    fat_finger: FatFinger
    def __init__(self, news_shock: _Optional[_Union[NewsShock, _Mapping]] = ..., halt: _Optional[_Union[Halt, _Mapping]] = ..., fat_finger: _Optional[_Union[FatFinger, _Mapping]] = ...) -> None: ...

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
    __slots__ = ("symbol", "quantity_lots", "sell")
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_LOTS_FIELD_NUMBER: _ClassVar[int]
    SELL_FIELD_NUMBER: _ClassVar[int]
    symbol: str
    quantity_lots: int
    sell: bool
    def __init__(self, symbol: _Optional[str] = ..., quantity_lots: _Optional[int] = ..., sell: _Optional[bool] = ...) -> None: ...

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
