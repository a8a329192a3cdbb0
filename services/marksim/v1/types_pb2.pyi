from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Side(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SIDE_UNSPECIFIED: _ClassVar[Side]
    SIDE_BUY: _ClassVar[Side]
    SIDE_SELL: _ClassVar[Side]

class OrderType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ORDER_TYPE_UNSPECIFIED: _ClassVar[OrderType]
    ORDER_TYPE_LIMIT: _ClassVar[OrderType]
    ORDER_TYPE_MARKET: _ClassVar[OrderType]
    ORDER_TYPE_STOP: _ClassVar[OrderType]
    ORDER_TYPE_STOP_LIMIT: _ClassVar[OrderType]

class TimeInForce(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TIME_IN_FORCE_UNSPECIFIED: _ClassVar[TimeInForce]
    TIME_IN_FORCE_GTC: _ClassVar[TimeInForce]
    TIME_IN_FORCE_IOC: _ClassVar[TimeInForce]
    TIME_IN_FORCE_FOK: _ClassVar[TimeInForce]
    TIME_IN_FORCE_GTD: _ClassVar[TimeInForce]
    TIME_IN_FORCE_AT_THE_OPEN: _ClassVar[TimeInForce]

class PostOnly(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    POST_ONLY_UNSPECIFIED: _ClassVar[PostOnly]
    POST_ONLY_REJECT: _ClassVar[PostOnly]
    POST_ONLY_SLIDE: _ClassVar[PostOnly]

class SelfTradePrevention(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SELF_TRADE_PREVENTION_UNSPECIFIED: _ClassVar[SelfTradePrevention]
    SELF_TRADE_PREVENTION_CANCEL_NEWEST: _ClassVar[SelfTradePrevention]
    SELF_TRADE_PREVENTION_CANCEL_OLDEST: _ClassVar[SelfTradePrevention]
    SELF_TRADE_PREVENTION_CANCEL_BOTH: _ClassVar[SelfTradePrevention]
    SELF_TRADE_PREVENTION_DECREMENT: _ClassVar[SelfTradePrevention]

class CommandKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    COMMAND_KIND_UNSPECIFIED: _ClassVar[CommandKind]
    COMMAND_KIND_NEW: _ClassVar[CommandKind]
    COMMAND_KIND_CANCEL: _ClassVar[CommandKind]
    COMMAND_KIND_AMEND: _ClassVar[CommandKind]
    COMMAND_KIND_MASS_CANCEL: _ClassVar[CommandKind]
    COMMAND_KIND_SET_SESSION: _ClassVar[CommandKind]
    COMMAND_KIND_OWNER_GONE: _ClassVar[CommandKind]

class ExecutionKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EXECUTION_KIND_UNSPECIFIED: _ClassVar[ExecutionKind]
    EXECUTION_KIND_ACCEPTED: _ClassVar[ExecutionKind]
    EXECUTION_KIND_REJECTED: _ClassVar[ExecutionKind]
    EXECUTION_KIND_TRADED: _ClassVar[ExecutionKind]
    EXECUTION_KIND_CANCELLED: _ClassVar[ExecutionKind]
    EXECUTION_KIND_EXPIRED: _ClassVar[ExecutionKind]
    EXECUTION_KIND_AMENDED: _ClassVar[ExecutionKind]
    EXECUTION_KIND_TRIGGERED: _ClassVar[ExecutionKind]
    EXECUTION_KIND_REFILLED: _ClassVar[ExecutionKind]
    EXECUTION_KIND_CANCEL_REJECTED: _ClassVar[ExecutionKind]
    EXECUTION_KIND_SESSION_CHANGED: _ClassVar[ExecutionKind]

class Reason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REASON_UNSPECIFIED: _ClassVar[Reason]
    REASON_REQUESTED: _ClassVar[Reason]
    REASON_IOC_REMAINDER: _ClassVar[Reason]
    REASON_NO_LIQUIDITY: _ClassVar[Reason]
    REASON_FOK_NOT_FILLED: _ClassVar[Reason]
    REASON_EXPIRED: _ClassVar[Reason]
    REASON_SELF_TRADE: _ClassVar[Reason]
    REASON_WOULD_TAKE: _ClassVar[Reason]
    REASON_UNKNOWN_SYMBOL: _ClassVar[Reason]
    REASON_DUPLICATE_ORDER_ID: _ClassVar[Reason]
    REASON_UNKNOWN_ORDER: _ClassVar[Reason]
    REASON_INVALID_SIDE: _ClassVar[Reason]
    REASON_INVALID_QUANTITY: _ClassVar[Reason]
    REASON_INVALID_PRICE: _ClassVar[Reason]
    REASON_PRICE_BAND: _ClassVar[Reason]
    REASON_BOOK_FULL: _ClassVar[Reason]
    REASON_UNSUPPORTED: _ClassVar[Reason]
    REASON_MARKET_CLOSED: _ClassVar[Reason]
    REASON_BELOW_MIN_NOTIONAL: _ClassVar[Reason]
    REASON_OWNER_GONE: _ClassVar[Reason]
    REASON_INVALID_TERMS: _ClassVar[Reason]
    REASON_MIN_QUANTITY: _ClassVar[Reason]
    REASON_AUCTION_REMAINDER: _ClassVar[Reason]
    REASON_SCHEDULED: _ClassVar[Reason]

class OrderStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ORDER_STATUS_UNSPECIFIED: _ClassVar[OrderStatus]
    ORDER_STATUS_PENDING: _ClassVar[OrderStatus]
    ORDER_STATUS_OPEN: _ClassVar[OrderStatus]
    ORDER_STATUS_PARTIALLY_FILLED: _ClassVar[OrderStatus]
    ORDER_STATUS_FILLED: _ClassVar[OrderStatus]
    ORDER_STATUS_CANCELLED: _ClassVar[OrderStatus]
    ORDER_STATUS_REJECTED: _ClassVar[OrderStatus]
    ORDER_STATUS_EXPIRED: _ClassVar[OrderStatus]

class Liquidity(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LIQUIDITY_UNSPECIFIED: _ClassVar[Liquidity]
    LIQUIDITY_MAKER: _ClassVar[Liquidity]
    LIQUIDITY_TAKER: _ClassVar[Liquidity]
    LIQUIDITY_AUCTION: _ClassVar[Liquidity]

class StopTrigger(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    STOP_TRIGGER_UNSPECIFIED: _ClassVar[StopTrigger]
    STOP_TRIGGER_LAST_TRADE: _ClassVar[StopTrigger]
    STOP_TRIGGER_QUOTE: _ClassVar[StopTrigger]

class SessionState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SESSION_STATE_UNSPECIFIED: _ClassVar[SessionState]
    SESSION_STATE_PRE_OPEN: _ClassVar[SessionState]
    SESSION_STATE_OPENING_AUCTION: _ClassVar[SessionState]
    SESSION_STATE_CONTINUOUS: _ClassVar[SessionState]
    SESSION_STATE_HALTED: _ClassVar[SessionState]
    SESSION_STATE_CLOSING_AUCTION: _ClassVar[SessionState]
    SESSION_STATE_CLOSED: _ClassVar[SessionState]

class BandAction(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    BAND_ACTION_UNSPECIFIED: _ClassVar[BandAction]
    BAND_ACTION_REJECT: _ClassVar[BandAction]
    BAND_ACTION_HALT: _ClassVar[BandAction]
SIDE_UNSPECIFIED: Side
SIDE_BUY: Side
SIDE_SELL: Side
ORDER_TYPE_UNSPECIFIED: OrderType
ORDER_TYPE_LIMIT: OrderType
ORDER_TYPE_MARKET: OrderType
ORDER_TYPE_STOP: OrderType
ORDER_TYPE_STOP_LIMIT: OrderType
TIME_IN_FORCE_UNSPECIFIED: TimeInForce
TIME_IN_FORCE_GTC: TimeInForce
TIME_IN_FORCE_IOC: TimeInForce
TIME_IN_FORCE_FOK: TimeInForce
TIME_IN_FORCE_GTD: TimeInForce
TIME_IN_FORCE_AT_THE_OPEN: TimeInForce
POST_ONLY_UNSPECIFIED: PostOnly
POST_ONLY_REJECT: PostOnly
POST_ONLY_SLIDE: PostOnly
SELF_TRADE_PREVENTION_UNSPECIFIED: SelfTradePrevention
SELF_TRADE_PREVENTION_CANCEL_NEWEST: SelfTradePrevention
SELF_TRADE_PREVENTION_CANCEL_OLDEST: SelfTradePrevention
SELF_TRADE_PREVENTION_CANCEL_BOTH: SelfTradePrevention
SELF_TRADE_PREVENTION_DECREMENT: SelfTradePrevention
COMMAND_KIND_UNSPECIFIED: CommandKind
COMMAND_KIND_NEW: CommandKind
COMMAND_KIND_CANCEL: CommandKind
COMMAND_KIND_AMEND: CommandKind
COMMAND_KIND_MASS_CANCEL: CommandKind
COMMAND_KIND_SET_SESSION: CommandKind
COMMAND_KIND_OWNER_GONE: CommandKind
EXECUTION_KIND_UNSPECIFIED: ExecutionKind
EXECUTION_KIND_ACCEPTED: ExecutionKind
EXECUTION_KIND_REJECTED: ExecutionKind
EXECUTION_KIND_TRADED: ExecutionKind
EXECUTION_KIND_CANCELLED: ExecutionKind
EXECUTION_KIND_EXPIRED: ExecutionKind
EXECUTION_KIND_AMENDED: ExecutionKind
EXECUTION_KIND_TRIGGERED: ExecutionKind
EXECUTION_KIND_REFILLED: ExecutionKind
EXECUTION_KIND_CANCEL_REJECTED: ExecutionKind
EXECUTION_KIND_SESSION_CHANGED: ExecutionKind
REASON_UNSPECIFIED: Reason
REASON_REQUESTED: Reason
REASON_IOC_REMAINDER: Reason
REASON_NO_LIQUIDITY: Reason
REASON_FOK_NOT_FILLED: Reason
REASON_EXPIRED: Reason
REASON_SELF_TRADE: Reason
REASON_WOULD_TAKE: Reason
REASON_UNKNOWN_SYMBOL: Reason
REASON_DUPLICATE_ORDER_ID: Reason
REASON_UNKNOWN_ORDER: Reason
REASON_INVALID_SIDE: Reason
REASON_INVALID_QUANTITY: Reason
REASON_INVALID_PRICE: Reason
REASON_PRICE_BAND: Reason
REASON_BOOK_FULL: Reason
REASON_UNSUPPORTED: Reason
REASON_MARKET_CLOSED: Reason
REASON_BELOW_MIN_NOTIONAL: Reason
REASON_OWNER_GONE: Reason
REASON_INVALID_TERMS: Reason
REASON_MIN_QUANTITY: Reason
REASON_AUCTION_REMAINDER: Reason
REASON_SCHEDULED: Reason
ORDER_STATUS_UNSPECIFIED: OrderStatus
ORDER_STATUS_PENDING: OrderStatus
ORDER_STATUS_OPEN: OrderStatus
ORDER_STATUS_PARTIALLY_FILLED: OrderStatus
ORDER_STATUS_FILLED: OrderStatus
ORDER_STATUS_CANCELLED: OrderStatus
ORDER_STATUS_REJECTED: OrderStatus
ORDER_STATUS_EXPIRED: OrderStatus
LIQUIDITY_UNSPECIFIED: Liquidity
LIQUIDITY_MAKER: Liquidity
LIQUIDITY_TAKER: Liquidity
LIQUIDITY_AUCTION: Liquidity
STOP_TRIGGER_UNSPECIFIED: StopTrigger
STOP_TRIGGER_LAST_TRADE: StopTrigger
STOP_TRIGGER_QUOTE: StopTrigger
SESSION_STATE_UNSPECIFIED: SessionState
SESSION_STATE_PRE_OPEN: SessionState
SESSION_STATE_OPENING_AUCTION: SessionState
SESSION_STATE_CONTINUOUS: SessionState
SESSION_STATE_HALTED: SessionState
SESSION_STATE_CLOSING_AUCTION: SessionState
SESSION_STATE_CLOSED: SessionState
BAND_ACTION_UNSPECIFIED: BandAction
BAND_ACTION_REJECT: BandAction
BAND_ACTION_HALT: BandAction

class SessionChange(_message.Message):
    __slots__ = ("time_of_day_ns", "state")
    TIME_OF_DAY_NS_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    time_of_day_ns: int
    state: SessionState
    def __init__(self, time_of_day_ns: _Optional[int] = ..., state: _Optional[_Union[SessionState, str]] = ...) -> None: ...

class Instrument(_message.Message):
    __slots__ = ("symbol", "base_asset", "quote_asset", "tick_size", "lot_size", "min_quantity_lots", "max_quantity_lots", "min_notional", "min_price_ticks", "max_price_ticks", "maker_fee_ppm", "taker_fee_ppm", "reference_price_ticks", "shard", "market_protection_ticks", "stop_trigger", "static_band_ppm", "dynamic_band_ppm", "band_action", "halt_ns", "auction_ns", "sessions")
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    BASE_ASSET_FIELD_NUMBER: _ClassVar[int]
    QUOTE_ASSET_FIELD_NUMBER: _ClassVar[int]
    TICK_SIZE_FIELD_NUMBER: _ClassVar[int]
    LOT_SIZE_FIELD_NUMBER: _ClassVar[int]
    MIN_QUANTITY_LOTS_FIELD_NUMBER: _ClassVar[int]
    MAX_QUANTITY_LOTS_FIELD_NUMBER: _ClassVar[int]
    MIN_NOTIONAL_FIELD_NUMBER: _ClassVar[int]
    MIN_PRICE_TICKS_FIELD_NUMBER: _ClassVar[int]
    MAX_PRICE_TICKS_FIELD_NUMBER: _ClassVar[int]
    MAKER_FEE_PPM_FIELD_NUMBER: _ClassVar[int]
    TAKER_FEE_PPM_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_PRICE_TICKS_FIELD_NUMBER: _ClassVar[int]
    SHARD_FIELD_NUMBER: _ClassVar[int]
    MARKET_PROTECTION_TICKS_FIELD_NUMBER: _ClassVar[int]
    STOP_TRIGGER_FIELD_NUMBER: _ClassVar[int]
    STATIC_BAND_PPM_FIELD_NUMBER: _ClassVar[int]
    DYNAMIC_BAND_PPM_FIELD_NUMBER: _ClassVar[int]
    BAND_ACTION_FIELD_NUMBER: _ClassVar[int]
    HALT_NS_FIELD_NUMBER: _ClassVar[int]
    AUCTION_NS_FIELD_NUMBER: _ClassVar[int]
    SESSIONS_FIELD_NUMBER: _ClassVar[int]
    symbol: str
    base_asset: str
    quote_asset: str
    tick_size: str
    lot_size: str
    min_quantity_lots: int
    max_quantity_lots: int
    min_notional: str
    min_price_ticks: int
    max_price_ticks: int
    maker_fee_ppm: int
    taker_fee_ppm: int
    reference_price_ticks: int
    shard: int
    market_protection_ticks: int
    stop_trigger: StopTrigger
    static_band_ppm: int
    dynamic_band_ppm: int
    band_action: BandAction
    halt_ns: int
    auction_ns: int
    sessions: _containers.RepeatedCompositeFieldContainer[SessionChange]
    def __init__(self, symbol: _Optional[str] = ..., base_asset: _Optional[str] = ..., quote_asset: _Optional[str] = ..., tick_size: _Optional[str] = ..., lot_size: _Optional[str] = ..., min_quantity_lots: _Optional[int] = ..., max_quantity_lots: _Optional[int] = ..., min_notional: _Optional[str] = ..., min_price_ticks: _Optional[int] = ..., max_price_ticks: _Optional[int] = ..., maker_fee_ppm: _Optional[int] = ..., taker_fee_ppm: _Optional[int] = ..., reference_price_ticks: _Optional[int] = ..., shard: _Optional[int] = ..., market_protection_ticks: _Optional[int] = ..., stop_trigger: _Optional[_Union[StopTrigger, str]] = ..., static_band_ppm: _Optional[int] = ..., dynamic_band_ppm: _Optional[int] = ..., band_action: _Optional[_Union[BandAction, str]] = ..., halt_ns: _Optional[int] = ..., auction_ns: _Optional[int] = ..., sessions: _Optional[_Iterable[_Union[SessionChange, _Mapping]]] = ...) -> None: ...

class CommandColumns(_message.Message):
    __slots__ = ("count", "time_ns", "account", "serial", "kind", "side", "order_type", "time_in_force", "post_only", "self_trade_prevention", "price_ticks", "stop_price_ticks", "quantity_lots", "display_lots", "min_quantity_lots", "expire_time_ns", "target_serial", "self_trade_group", "session_state")
    COUNT_FIELD_NUMBER: _ClassVar[int]
    TIME_NS_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    SERIAL_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    SIDE_FIELD_NUMBER: _ClassVar[int]
    ORDER_TYPE_FIELD_NUMBER: _ClassVar[int]
    TIME_IN_FORCE_FIELD_NUMBER: _ClassVar[int]
    POST_ONLY_FIELD_NUMBER: _ClassVar[int]
    SELF_TRADE_PREVENTION_FIELD_NUMBER: _ClassVar[int]
    PRICE_TICKS_FIELD_NUMBER: _ClassVar[int]
    STOP_PRICE_TICKS_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_LOTS_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_LOTS_FIELD_NUMBER: _ClassVar[int]
    MIN_QUANTITY_LOTS_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_TIME_NS_FIELD_NUMBER: _ClassVar[int]
    TARGET_SERIAL_FIELD_NUMBER: _ClassVar[int]
    SELF_TRADE_GROUP_FIELD_NUMBER: _ClassVar[int]
    SESSION_STATE_FIELD_NUMBER: _ClassVar[int]
    count: int
    time_ns: bytes
    account: bytes
    serial: bytes
    kind: bytes
    side: bytes
    order_type: bytes
    time_in_force: bytes
    post_only: bytes
    self_trade_prevention: bytes
    price_ticks: bytes
    stop_price_ticks: bytes
    quantity_lots: bytes
    display_lots: bytes
    min_quantity_lots: bytes
    expire_time_ns: bytes
    target_serial: bytes
    self_trade_group: bytes
    session_state: bytes
    def __init__(self, count: _Optional[int] = ..., time_ns: _Optional[bytes] = ..., account: _Optional[bytes] = ..., serial: _Optional[bytes] = ..., kind: _Optional[bytes] = ..., side: _Optional[bytes] = ..., order_type: _Optional[bytes] = ..., time_in_force: _Optional[bytes] = ..., post_only: _Optional[bytes] = ..., self_trade_prevention: _Optional[bytes] = ..., price_ticks: _Optional[bytes] = ..., stop_price_ticks: _Optional[bytes] = ..., quantity_lots: _Optional[bytes] = ..., display_lots: _Optional[bytes] = ..., min_quantity_lots: _Optional[bytes] = ..., expire_time_ns: _Optional[bytes] = ..., target_serial: _Optional[bytes] = ..., self_trade_group: _Optional[bytes] = ..., session_state: _Optional[bytes] = ...) -> None: ...

class ExecutionColumns(_message.Message):
    __slots__ = ("count", "sequence", "time_ns", "kind", "reason", "side", "account", "serial", "order_id", "price_ticks", "quantity_lots", "leaves_lots", "maker_account", "maker_serial", "maker_order_id", "maker_leaves_lots", "session_state")
    COUNT_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    TIME_NS_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    SIDE_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    SERIAL_FIELD_NUMBER: _ClassVar[int]
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    PRICE_TICKS_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_LOTS_FIELD_NUMBER: _ClassVar[int]
    LEAVES_LOTS_FIELD_NUMBER: _ClassVar[int]
    MAKER_ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    MAKER_SERIAL_FIELD_NUMBER: _ClassVar[int]
    MAKER_ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    MAKER_LEAVES_LOTS_FIELD_NUMBER: _ClassVar[int]
    SESSION_STATE_FIELD_NUMBER: _ClassVar[int]
    count: int
    sequence: bytes
    time_ns: bytes
    kind: bytes
    reason: bytes
    side: bytes
    account: bytes
    serial: bytes
    order_id: bytes
    price_ticks: bytes
    quantity_lots: bytes
    leaves_lots: bytes
    maker_account: bytes
    maker_serial: bytes
    maker_order_id: bytes
    maker_leaves_lots: bytes
    session_state: bytes
    def __init__(self, count: _Optional[int] = ..., sequence: _Optional[bytes] = ..., time_ns: _Optional[bytes] = ..., kind: _Optional[bytes] = ..., reason: _Optional[bytes] = ..., side: _Optional[bytes] = ..., account: _Optional[bytes] = ..., serial: _Optional[bytes] = ..., order_id: _Optional[bytes] = ..., price_ticks: _Optional[bytes] = ..., quantity_lots: _Optional[bytes] = ..., leaves_lots: _Optional[bytes] = ..., maker_account: _Optional[bytes] = ..., maker_serial: _Optional[bytes] = ..., maker_order_id: _Optional[bytes] = ..., maker_leaves_lots: _Optional[bytes] = ..., session_state: _Optional[bytes] = ...) -> None: ...

class TradeColumns(_message.Message):
    __slots__ = ("count", "sequence", "time_ns", "side", "price_ticks", "quantity_lots", "maker_order_id", "taker_order_id")
    COUNT_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    TIME_NS_FIELD_NUMBER: _ClassVar[int]
    SIDE_FIELD_NUMBER: _ClassVar[int]
    PRICE_TICKS_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_LOTS_FIELD_NUMBER: _ClassVar[int]
    MAKER_ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    TAKER_ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    count: int
    sequence: bytes
    time_ns: bytes
    side: bytes
    price_ticks: bytes
    quantity_lots: bytes
    maker_order_id: bytes
    taker_order_id: bytes
    def __init__(self, count: _Optional[int] = ..., sequence: _Optional[bytes] = ..., time_ns: _Optional[bytes] = ..., side: _Optional[bytes] = ..., price_ticks: _Optional[bytes] = ..., quantity_lots: _Optional[bytes] = ..., maker_order_id: _Optional[bytes] = ..., taker_order_id: _Optional[bytes] = ...) -> None: ...

class QuoteColumns(_message.Message):
    __slots__ = ("count", "sequence", "time_ns", "bid_price_ticks", "bid_quantity_lots", "ask_price_ticks", "ask_quantity_lots")
    COUNT_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    TIME_NS_FIELD_NUMBER: _ClassVar[int]
    BID_PRICE_TICKS_FIELD_NUMBER: _ClassVar[int]
    BID_QUANTITY_LOTS_FIELD_NUMBER: _ClassVar[int]
    ASK_PRICE_TICKS_FIELD_NUMBER: _ClassVar[int]
    ASK_QUANTITY_LOTS_FIELD_NUMBER: _ClassVar[int]
    count: int
    sequence: bytes
    time_ns: bytes
    bid_price_ticks: bytes
    bid_quantity_lots: bytes
    ask_price_ticks: bytes
    ask_quantity_lots: bytes
    def __init__(self, count: _Optional[int] = ..., sequence: _Optional[bytes] = ..., time_ns: _Optional[bytes] = ..., bid_price_ticks: _Optional[bytes] = ..., bid_quantity_lots: _Optional[bytes] = ..., ask_price_ticks: _Optional[bytes] = ..., ask_quantity_lots: _Optional[bytes] = ...) -> None: ...

class DepthColumns(_message.Message):
    __slots__ = ("count", "sequence", "time_ns", "side", "price_ticks", "quantity_lots", "order_count")
    COUNT_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    TIME_NS_FIELD_NUMBER: _ClassVar[int]
    SIDE_FIELD_NUMBER: _ClassVar[int]
    PRICE_TICKS_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_LOTS_FIELD_NUMBER: _ClassVar[int]
    ORDER_COUNT_FIELD_NUMBER: _ClassVar[int]
    count: int
    sequence: bytes
    time_ns: bytes
    side: bytes
    price_ticks: bytes
    quantity_lots: bytes
    order_count: bytes
    def __init__(self, count: _Optional[int] = ..., sequence: _Optional[bytes] = ..., time_ns: _Optional[bytes] = ..., side: _Optional[bytes] = ..., price_ticks: _Optional[bytes] = ..., quantity_lots: _Optional[bytes] = ..., order_count: _Optional[bytes] = ...) -> None: ...

class Tick(_message.Message):
    __slots__ = ("tick_number", "time_ns", "last_price_ticks", "bid_price_ticks", "bid_quantity_lots", "ask_price_ticks", "ask_quantity_lots", "volume_24h_lots", "trades_total", "volume_total_lots", "window_volume_lots", "session_state", "session_volume_lots", "indicative_price_ticks", "indicative_volume_lots", "indicative_surplus_lots")
    TICK_NUMBER_FIELD_NUMBER: _ClassVar[int]
    TIME_NS_FIELD_NUMBER: _ClassVar[int]
    LAST_PRICE_TICKS_FIELD_NUMBER: _ClassVar[int]
    BID_PRICE_TICKS_FIELD_NUMBER: _ClassVar[int]
    BID_QUANTITY_LOTS_FIELD_NUMBER: _ClassVar[int]
    ASK_PRICE_TICKS_FIELD_NUMBER: _ClassVar[int]
    ASK_QUANTITY_LOTS_FIELD_NUMBER: _ClassVar[int]
    VOLUME_24H_LOTS_FIELD_NUMBER: _ClassVar[int]
    TRADES_TOTAL_FIELD_NUMBER: _ClassVar[int]
    VOLUME_TOTAL_LOTS_FIELD_NUMBER: _ClassVar[int]
    WINDOW_VOLUME_LOTS_FIELD_NUMBER: _ClassVar[int]
    SESSION_STATE_FIELD_NUMBER: _ClassVar[int]
    SESSION_VOLUME_LOTS_FIELD_NUMBER: _ClassVar[int]
    INDICATIVE_PRICE_TICKS_FIELD_NUMBER: _ClassVar[int]
    INDICATIVE_VOLUME_LOTS_FIELD_NUMBER: _ClassVar[int]
    INDICATIVE_SURPLUS_LOTS_FIELD_NUMBER: _ClassVar[int]
    tick_number: int
    time_ns: int
    last_price_ticks: int
    bid_price_ticks: int
    bid_quantity_lots: int
    ask_price_ticks: int
    ask_quantity_lots: int
    volume_24h_lots: int
    trades_total: int
    volume_total_lots: int
    window_volume_lots: int
    session_state: SessionState
    session_volume_lots: int
    indicative_price_ticks: int
    indicative_volume_lots: int
    indicative_surplus_lots: int
    def __init__(self, tick_number: _Optional[int] = ..., time_ns: _Optional[int] = ..., last_price_ticks: _Optional[int] = ..., bid_price_ticks: _Optional[int] = ..., bid_quantity_lots: _Optional[int] = ..., ask_price_ticks: _Optional[int] = ..., ask_quantity_lots: _Optional[int] = ..., volume_24h_lots: _Optional[int] = ..., trades_total: _Optional[int] = ..., volume_total_lots: _Optional[int] = ..., window_volume_lots: _Optional[int] = ..., session_state: _Optional[_Union[SessionState, str]] = ..., session_volume_lots: _Optional[int] = ..., indicative_price_ticks: _Optional[int] = ..., indicative_volume_lots: _Optional[int] = ..., indicative_surplus_lots: _Optional[int] = ...) -> None: ...

class Order(_message.Message):
    __slots__ = ("account", "symbol", "client_order_id", "order_id", "side", "order_type", "time_in_force", "status", "price", "quantity", "leaves_quantity", "filled_quantity", "average_price", "reason", "accepted_time_ns", "updated_time_ns", "stop_price", "display_quantity", "min_quantity", "post_only", "self_trade_prevention", "self_trade_group", "expire_time_ns")
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    CLIENT_ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    SIDE_FIELD_NUMBER: _ClassVar[int]
    ORDER_TYPE_FIELD_NUMBER: _ClassVar[int]
    TIME_IN_FORCE_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    PRICE_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    LEAVES_QUANTITY_FIELD_NUMBER: _ClassVar[int]
    FILLED_QUANTITY_FIELD_NUMBER: _ClassVar[int]
    AVERAGE_PRICE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    ACCEPTED_TIME_NS_FIELD_NUMBER: _ClassVar[int]
    UPDATED_TIME_NS_FIELD_NUMBER: _ClassVar[int]
    STOP_PRICE_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_QUANTITY_FIELD_NUMBER: _ClassVar[int]
    MIN_QUANTITY_FIELD_NUMBER: _ClassVar[int]
    POST_ONLY_FIELD_NUMBER: _ClassVar[int]
    SELF_TRADE_PREVENTION_FIELD_NUMBER: _ClassVar[int]
    SELF_TRADE_GROUP_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_TIME_NS_FIELD_NUMBER: _ClassVar[int]
    account: str
    symbol: str
    client_order_id: str
    order_id: int
    side: Side
    order_type: OrderType
    time_in_force: TimeInForce
    status: OrderStatus
    price: str
    quantity: str
    leaves_quantity: str
    filled_quantity: str
    average_price: str
    reason: Reason
    accepted_time_ns: int
    updated_time_ns: int
    stop_price: str
    display_quantity: str
    min_quantity: str
    post_only: PostOnly
    self_trade_prevention: SelfTradePrevention
    self_trade_group: str
    expire_time_ns: int
    def __init__(self, account: _Optional[str] = ..., symbol: _Optional[str] = ..., client_order_id: _Optional[str] = ..., order_id: _Optional[int] = ..., side: _Optional[_Union[Side, str]] = ..., order_type: _Optional[_Union[OrderType, str]] = ..., time_in_force: _Optional[_Union[TimeInForce, str]] = ..., status: _Optional[_Union[OrderStatus, str]] = ..., price: _Optional[str] = ..., quantity: _Optional[str] = ..., leaves_quantity: _Optional[str] = ..., filled_quantity: _Optional[str] = ..., average_price: _Optional[str] = ..., reason: _Optional[_Union[Reason, str]] = ..., accepted_time_ns: _Optional[int] = ..., updated_time_ns: _Optional[int] = ..., stop_price: _Optional[str] = ..., display_quantity: _Optional[str] = ..., min_quantity: _Optional[str] = ..., post_only: _Optional[_Union[PostOnly, str]] = ..., self_trade_prevention: _Optional[_Union[SelfTradePrevention, str]] = ..., self_trade_group: _Optional[str] = ..., expire_time_ns: _Optional[int] = ...) -> None: ...

class Fill(_message.Message):
    __slots__ = ("symbol", "sequence", "time_ns", "client_order_id", "order_id", "side", "price", "quantity", "liquidity")
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    TIME_NS_FIELD_NUMBER: _ClassVar[int]
    CLIENT_ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    SIDE_FIELD_NUMBER: _ClassVar[int]
    PRICE_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    LIQUIDITY_FIELD_NUMBER: _ClassVar[int]
    symbol: str
    sequence: int
    time_ns: int
    client_order_id: str
    order_id: int
    side: Side
    price: str
    quantity: str
    liquidity: Liquidity
    def __init__(self, symbol: _Optional[str] = ..., sequence: _Optional[int] = ..., time_ns: _Optional[int] = ..., client_order_id: _Optional[str] = ..., order_id: _Optional[int] = ..., side: _Optional[_Union[Side, str]] = ..., price: _Optional[str] = ..., quantity: _Optional[str] = ..., liquidity: _Optional[_Union[Liquidity, str]] = ...) -> None: ...
