"""What the user sees: lines that stay, and below them one status line that refreshes where the output is a terminal."""

import time
from collections.abc import Callable
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

_REFRESH_PER_S = 4
_LINE_EVERY_S = 10.0


class Screen:
    """Prints lines and one status. A context manager: leaving it takes the status line away."""

    def __init__(self, console: Console | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console or Console(highlight=False, soft_wrap=True)
        self._clock = clock
        self._live: Live | None = None
        self._shown_at: float | None = None
        self._busy = Spinner("dots")

    @property
    def is_terminal(self) -> bool:
        """True where the status refreshes in place; else it is a line each 10 s."""
        return self._console.is_terminal

    def __enter__(self) -> Self:
        if self.is_terminal:
            self._live = Live(
                "", console=self._console, refresh_per_second=_REFRESH_PER_S, transient=True,
                redirect_stdout=False, redirect_stderr=False,
            )  # fmt: skip
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()
            self._live = None

    def line(self, text: str) -> None:
        """Print a line that stays, above the status."""
        self._console.print(Text(text))

    def status(self, text: str, *, busy: bool = False) -> None:
        """Show the status; `busy` adds a spinner."""
        if self._live:
            if busy:
                self._busy.update(text=Text(text))
                self._live.update(self._busy)
            else:
                self._live.update(Text(text, no_wrap=True, overflow="ellipsis"))
            return
        now = self._clock()
        if self._shown_at is None or now - self._shown_at >= _LINE_EVERY_S:
            self._shown_at = now
            self.line(text)
