"""How one service calls another."""

import json
from typing import Final

import grpc
import grpc.aio
from google.rpc import error_details_pb2, status_pb2

from marksim.runtime.errors import DETAILS_KEY

MAX_ANSWER_BYTES: Final = 1024 * 1024 * 1024
"""What comes of a window, as answer, as frames, or as the journal has it: one order may trade with every other of a book,
and answer and frame have a row of each. Nothing is allocated for it.
"""

IDEMPOTENT: Final = {
    "marksim.v1.OrderBookService": (
        # Orders are here too: repeating a client order id has no second effect.
        *("ConfirmWindow", "ListReaders", "ForgetReader", "GetRun", "GetBook", "ListInstruments"),
        *("SubmitOrder", "CancelOrder", "AmendOrder", "MassCancel", "GetOrder", "ListOrders", "ListTrades", "GetPosition"),
    ),
    "marksim.v1.EngineService": ("GetStatus", "Pause", "Resume", "SetSpeed"),
}
"""Unary methods that are tried again when the peer is UNAVAILABLE; what may not run twice (Step, InjectEvent, RunUntil for
a while from now) is not here."""

SERVICE_CONFIG: Final = {
    "methodConfig": [
        {
            "name": [
                {"service": service, "method": method} for service, methods in IDEMPOTENT.items() for method in methods
            ],
            "retryPolicy": {
                "maxAttempts": 4,
                "initialBackoff": "0.1s",
                "maxBackoff": "1s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ]
}

# A misspelt option is silently ignored: tests/runtime checks these names against the library's own.
CHANNEL_OPTIONS: Final[list[tuple[str, int | str]]] = [
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    # Without it a ping is waited for a minute, whatever the line above says.
    ("grpc.http2.ping_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.max_receive_message_length", MAX_ANSWER_BYTES),
    # A peer that restarts is back within seconds; the default waits up to two minutes between tries.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 2_000),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    # Pods change their address; the default asks DNS at most every 30 s.
    ("grpc.dns_min_time_between_resolutions_ms", 2_000),
    # Peers are never behind the proxy that `http_proxy` names.
    ("grpc.enable_http_proxy", 0),
    ("grpc.service_config", json.dumps(SERVICE_CONFIG)),
]


def open_channel(address: str) -> grpc.aio.Channel:
    """A channel to `host:port`. It connects by itself and again after a loss; close it when done.

    While a name does not resolve, gRPC asks for it less and less often, at last every two minutes: who waits for a peer that
    may be long away opens a new channel for each try.
    """
    return grpc.aio.insecure_channel(address, options=CHANNEL_OPTIONS)


def error_info(error: grpc.RpcError) -> error_details_pb2.ErrorInfo | None:
    """The ErrorInfo that a marksim service attached to the failed call, if any."""
    if not isinstance(error, grpc.aio.AioRpcError | grpc.Call):
        return None
    packed = next((value for key, value in error.trailing_metadata() or () if key == DETAILS_KEY), None)
    if not isinstance(packed, bytes):
        return None
    info = error_details_pb2.ErrorInfo()
    for detail in status_pb2.Status.FromString(packed).details:
        if detail.Unpack(info):
            return info
    return None


def error_reason(error: grpc.RpcError) -> str:
    """The reason a program may match on ("ENGINE_AWAY"); empty where there is none."""
    info = error_info(error)
    return info.reason if info else ""


def peer_error(error: BaseException) -> str:
    """What went wrong with a peer, in a few words for a log line or a page."""
    if isinstance(error, grpc.aio.AioRpcError):
        word = error_reason(error) or error.code().name
        details = " ".join((error.details() or "").split())
        return f"{word}: {details}"[:200] if details else word
    return f"{type(error).__name__}: {error}"[:200] if str(error) else type(error).__name__
