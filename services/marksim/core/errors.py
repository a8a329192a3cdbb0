"""Errors of the domain. `runtime.errors` maps each class to one gRPC status."""

from collections.abc import Mapping


class MarksimError(Exception):
    """Base of all errors that a caller can act on.

    `reason` is an upper-case constant a program may match on, the message a sentence for people, `metadata` its facts.
    """

    reason = "INTERNAL"

    def __init__(self, message: str, *, reason: str | None = None, metadata: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason or type(self).reason
        self.metadata = dict(metadata or {})


class InvalidInput(MarksimError):
    """A field holds what it may not; the message names the field and the fix (INVALID_ARGUMENT)."""

    reason = "INVALID_FIELD"


class NotFound(MarksimError):
    """What the request names does not exist (NOT_FOUND)."""

    reason = "NOT_FOUND"


class NotNow(MarksimError):
    """The request is sound but the present state forbids it (FAILED_PRECONDITION)."""

    reason = "WRONG_STATE"


class Unsupported(MarksimError):
    """Part of the contract that this service does not do yet (UNIMPLEMENTED)."""

    reason = "UNSUPPORTED"


class Away(MarksimError):
    """Another service that is needed is away; trying again helps (UNAVAILABLE)."""

    reason = "AWAY"


class Denied(MarksimError):
    """The principal may not do this (PERMISSION_DENIED)."""

    reason = "DENIED"


class Exhausted(MarksimError):
    """A stated bound is reached (RESOURCE_EXHAUSTED)."""

    reason = "BOUND_REACHED"


class JournalFull(Exhausted):
    """Nothing more can be written: the disk is full, or the journal at its hard cap. Nothing was written in part, and the
    same may be tried again (RESOURCE_EXHAUSTED).
    """

    reason = "JOURNAL_FULL"


class Damaged(MarksimError):
    """What lies on the disk is not what was written there, or cannot be read or written; the message names file and part
    (DATA_LOSS).
    """

    reason = "DAMAGED"


class Unreadable(NotNow):
    """A file is of another version, or of another kind, than this program reads (FAILED_PRECONDITION)."""

    reason = "OTHER_VERSION"
