"""A clock that tests move by hand."""


class Clock:
    """Seconds; call it to read it."""

    def __init__(self, now: float = 1_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now
