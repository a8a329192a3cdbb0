"""Structured logs on stderr: lines for people on a terminal, JSON otherwise, the standard library's logging included."""

import logging
import sys
from typing import Any, TextIO, cast

import structlog
from structlog.typing import Processor


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """A logger that takes an event and its facts: `log.info("window sealed", window=7)`."""
    return cast(structlog.stdlib.BoundLogger, structlog.get_logger(name))


def configure_logs(service: str, level: str = "info", log_format: str = "auto", stream: TextIO | None = None) -> None:
    """Send all logging of the process to `stream` (default: stderr), each line with its time (UTC), level and service."""
    target = sys.stderr if stream is None else stream
    human = target.isatty() if log_format == "auto" else log_format == "human"

    def add_service(_: Any, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        event.setdefault("service", service)
        return event

    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        add_service,
    ]
    final: list[Processor] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta]
    if human:
        plain = structlog.dev.plain_traceback
        final.append(structlog.dev.ConsoleRenderer(colors=target.isatty(), exception_formatter=plain))
    else:
        final += [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(default=str)]
    handler = logging.StreamHandler(target)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder()], processors=final, use_get_message=True
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # A closed stderr must not turn each log line into a traceback on it.
    logging.raiseExceptions = False
    logging.captureWarnings(True)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.processors.StackInfoRenderer(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
