"""Domain errors become gRPC statuses here and nowhere else.

A servicer method just raises. The status carries `google.rpc.Status` with `ErrorInfo(reason, domain="marksim", metadata)`.
What is not a domain error is INTERNAL: logged with its traceback, told to the caller without any detail.
"""

# grpc's classes are generic in their stubs only.
from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

import grpc
import grpc.aio
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2

from marksim.core.errors import Away, Damaged, Denied, Exhausted, InvalidInput, MarksimError, NotFound, NotNow, Unsupported
from marksim.runtime.identity import principal_of, set_principal
from marksim.runtime.logs import get_logger

DOMAIN: Final = "marksim"
DETAILS_KEY: Final = "grpc-status-details-bin"

CODES: Final[dict[type[MarksimError], grpc.StatusCode]] = {
    InvalidInput: grpc.StatusCode.INVALID_ARGUMENT,
    NotFound: grpc.StatusCode.NOT_FOUND,
    NotNow: grpc.StatusCode.FAILED_PRECONDITION,
    Unsupported: grpc.StatusCode.UNIMPLEMENTED,
    Away: grpc.StatusCode.UNAVAILABLE,
    Denied: grpc.StatusCode.PERMISSION_DENIED,
    Exhausted: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Damaged: grpc.StatusCode.DATA_LOSS,
    MarksimError: grpc.StatusCode.INTERNAL,
}

log = get_logger(__name__)


def code_of(error: MarksimError) -> grpc.StatusCode:
    """The status code of the nearest class in the table."""
    return next(CODES[cls] for cls in type(error).__mro__ if cls in CODES)


def error_status(error: MarksimError) -> status_pb2.Status:
    """The error as the rich status that goes over the wire."""
    info = error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=error.metadata)
    detail = any_pb2.Any()
    detail.Pack(info)
    number: int = code_of(error).value[0]
    return status_pb2.Status(code=number, message=error.message, details=[detail])


@asynccontextmanager
async def _as_status(method: str, context: grpc.aio.ServicerContext[Any, Any]) -> AsyncIterator[None]:
    try:
        yield
    except grpc.aio.AbortError:
        raise
    except MarksimError as error:
        trailing = ((DETAILS_KEY, error_status(error).SerializeToString()),)
        await context.abort(code_of(error), error.message, trailing)
    except Exception:
        if context.cancelled():
            raise
        log.exception("a call failed unexpectedly", method=method)
        unknown = MarksimError("internal error; the service's log has the details")
        await context.abort(code_of(unknown), unknown.message, ((DETAILS_KEY, error_status(unknown).SerializeToString()),))


class ErrorInterceptor(grpc.aio.ServerInterceptor):
    """Binds the caller's principal and turns what a servicer method raises into a status."""

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any] | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        """Wrap the method that the call is for; the four kinds differ only in what they are made of."""
        handler: Any = await continuation(handler_call_details)
        if handler is None:
            return None
        kind = ("stream" if handler.request_streaming else "unary") + ("_stream" if handler.response_streaming else "_unary")
        make = getattr(grpc, f"{kind}_rpc_method_handler")
        return make(
            _wrap(handler_call_details.method, getattr(handler, kind)),
            request_deserializer=handler.request_deserializer,
            response_serializer=handler.response_serializer,
        )


def _wrap(method: str, behavior: Callable[..., Any]) -> Callable[..., Any]:
    async def answer(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
        set_principal(principal_of(context.invocation_metadata() or ()))
        async with _as_status(method, context):
            return await behavior(request, context)

    async def stream(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> AsyncIterator[Any]:
        set_principal(principal_of(context.invocation_metadata() or ()))
        async with _as_status(method, context):
            async for response in behavior(request, context):
                yield response

    if inspect.isasyncgenfunction(behavior):
        return stream
    # Plain functions run in grpc's thread pool and must stay recognisable as such.
    return answer if inspect.iscoroutinefunction(behavior) else behavior
