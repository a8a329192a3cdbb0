from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class StoreKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    STORE_KIND_UNSPECIFIED: _ClassVar[StoreKind]
    STORE_KIND_POOL: _ClassVar[StoreKind]
    STORE_KIND_RING: _ClassVar[StoreKind]
    STORE_KIND_BUFFER: _ClassVar[StoreKind]
    STORE_KIND_QUEUE: _ClassVar[StoreKind]
STORE_KIND_UNSPECIFIED: StoreKind
STORE_KIND_POOL: StoreKind
STORE_KIND_RING: StoreKind
STORE_KIND_BUFFER: StoreKind
STORE_KIND_QUEUE: StoreKind

class GetMemoryRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetMemoryResponse(_message.Message):
    __slots__ = ("service", "instance", "pid", "start_time_ns", "resident_bytes", "virtual_bytes", "cpu_seconds", "open_files", "threads", "stores")
    SERVICE_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_FIELD_NUMBER: _ClassVar[int]
    PID_FIELD_NUMBER: _ClassVar[int]
    START_TIME_NS_FIELD_NUMBER: _ClassVar[int]
    RESIDENT_BYTES_FIELD_NUMBER: _ClassVar[int]
    VIRTUAL_BYTES_FIELD_NUMBER: _ClassVar[int]
    CPU_SECONDS_FIELD_NUMBER: _ClassVar[int]
    OPEN_FILES_FIELD_NUMBER: _ClassVar[int]
    THREADS_FIELD_NUMBER: _ClassVar[int]
    STORES_FIELD_NUMBER: _ClassVar[int]
    service: str
    instance: str
    pid: int
    start_time_ns: int
    resident_bytes: int
    virtual_bytes: int
    cpu_seconds: float
    open_files: int
    threads: int
    stores: _containers.RepeatedCompositeFieldContainer[Store]
    def __init__(self, service: _Optional[str] = ..., instance: _Optional[str] = ..., pid: _Optional[int] = ..., start_time_ns: _Optional[int] = ..., resident_bytes: _Optional[int] = ..., virtual_bytes: _Optional[int] = ..., cpu_seconds: _Optional[float] = ..., open_files: _Optional[int] = ..., threads: _Optional[int] = ..., stores: _Optional[_Iterable[_Union[Store, _Mapping]]] = ...) -> None: ...

class Store(_message.Message):
    __slots__ = ("name", "kind", "used", "capacity", "used_bytes", "capacity_bytes", "dropped")
    NAME_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    USED_FIELD_NUMBER: _ClassVar[int]
    CAPACITY_FIELD_NUMBER: _ClassVar[int]
    USED_BYTES_FIELD_NUMBER: _ClassVar[int]
    CAPACITY_BYTES_FIELD_NUMBER: _ClassVar[int]
    DROPPED_FIELD_NUMBER: _ClassVar[int]
    name: str
    kind: StoreKind
    used: int
    capacity: int
    used_bytes: int
    capacity_bytes: int
    dropped: int
    def __init__(self, name: _Optional[str] = ..., kind: _Optional[_Union[StoreKind, str]] = ..., used: _Optional[int] = ..., capacity: _Optional[int] = ..., used_bytes: _Optional[int] = ..., capacity_bytes: _Optional[int] = ..., dropped: _Optional[int] = ...) -> None: ...
