"""Recorded sessions: read, re-executed, described, made small, moved. `marksim verify` and `marksim journal` do it."""

from marksim.journal.session import Part, Session, open_session

__all__ = ["Part", "Session", "open_session"]
