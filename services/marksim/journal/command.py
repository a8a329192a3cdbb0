"""`marksim verify`, and `marksim journal info|export|trim|move`."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from marksim.core.durations import parse_duration_ns
from marksim.core.errors import InvalidInput, MarksimError, NotFound, NotNow
from marksim.core.feed.tape import run_hash
from marksim.core.warm import BOOK, compile_kernels
from marksim.journal.describing import describe, lines
from marksim.journal.exported import write_export
from marksim.journal.merging import merged
from marksim.journal.moving import move as move_shards
from marksim.journal.session import Session, open_session
from marksim.journal.states import BookState, joined
from marksim.journal.trimming import trim as trim_windows
from marksim.journal.trimming import window_of
from marksim.journal.verifying import Verified, verify
from marksim.runtime.durations import format_moment, parse_moment_ns
from marksim.runtime.settings import split_list
from marksim.store import moving

EXIT_FAILED: Final = 1
EXIT_USAGE: Final = 2
EXIT_INTERRUPTED: Final = 130

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help="Look after a journal.")

Recorded = Annotated[
    Path, typer.Argument(metavar="JOURNAL", help="A journal's directory, that of one of its shards, or an exported file.")
]
Directory = Annotated[Path, typer.Argument(metavar="DIR", help="A journal's directory, with shard-0 and so on.")]


@app.command("verify")
def verify_journal(
    journal: Recorded,
    max_orders: Annotated[
        int | None,
        typer.Option(min=1, help="The order book's --max-orders, where it is not the usual one."),
    ] = None,
) -> None:
    """Re-execute a recorded session and say whether the same comes out; 1 where it does not, with the first difference.

    A running market may have the journal open: it is only read.
    """
    with _errors_as_lines("verify"), open_session(journal) as session, _bar() as bar:
        _check_not_empty(session)
        task = bar.add_task("preparing", total=None, shown="")
        compile_kernels(BOOK, lambda kernel: bar.update(task, description=f"preparing kernels: {kernel}"))

        def show(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total, description="verifying", shown=f"{done:,} windows")

        verified = verify(session, max_orders, show)
    _tell_verified(session, verified)


@app.command()
def info(journal: Recorded, as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False) -> None:
    """Say what a journal has, how large it is, and who still needs what of it."""
    with _errors_as_lines("journal info"), open_session(journal) as session:
        facts = describe(session)
    typer.echo(json.dumps(facts, indent=2) if as_json else "\n".join(lines(facts)))


@app.command()
def export(
    journal: Recorded,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file to write.")],
    begin: Annotated[
        str | None,
        typer.Option("--from", metavar="TIME", help="Begin with the newest snapshot of the books by this time."),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--force", help="Write over a file that is there.")] = False,
) -> None:
    """Write one small file that stands for itself: scenario, seed and all that went in, for verify and replay elsewhere."""
    with _errors_as_lines("journal export"), open_session(journal) as session, _bar() as bar:
        _check_not_empty(session)
        if file.exists() and not overwrite:
            raise InvalidInput(f"{file} is there already: name another file, or --force it")
        if not session.is_whole and len(session.parts) > 1:
            raise InvalidInput(
                f"{journal} has {len(session.parts)} of {session.parts[0].run.shards} shards: bring all together"
            )
        first, state = _beginning(session, begin)
        last = session.common_window
        task = bar.add_task("exporting", total=last + 1 - first, shown="")
        windows = merged(session.parts, first, last)
        count, orders = write_export(
            file, session.run, windows, first, last, state, lambda window: bar.update(task, completed=window + 1 - first)
        )
    size = file.stat().st_size
    typer.echo(f"{file}: {count:,} windows, {orders:,} orders, {size:,} bytes{_per(size, orders)}")
    if state is not None:
        typer.echo(f"it begins with the books after window {first - 1:,}, at {format_moment(session.run.end_ns(first - 1))}")


@app.command()
def trim(
    journal: Directory,
    keep: Annotated[str | None, typer.Option(metavar="DURATION", help="Keep the last 1h or so of simulated time.")] = None,
    before: Annotated[str | None, typer.Option(metavar="TIME", help="Drop what is before this simulated time.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Also what readers or the engine need; they see a gap.")] = False,
) -> None:
    """Drop the oldest windows. The order book must not be running; a journal of a running one is trimmed by itself."""
    with _errors_as_lines("journal trim"), open_session(journal) as session:
        _check_not_empty(session)
        if (keep is None) == (before is None):
            raise InvalidInput("give --keep or --before")
        moment_ns = (
            parse_moment_ns(before, "--before")
            if before is not None
            else session.run.end_ns(session.common_window) - parse_duration_ns(keep or "", "--keep")
        )
        for done in trim_windows(session, window_of(session, moment_ns), force=force):
            trimmed = done.trimmed
            told = (
                f"{done.name}: {trimmed.windows:,} windows dropped, {done.freed_bytes:,} bytes freed; it begins with window "
            )
            gap = f"; a gap from {trimmed.gap[0]:,} to {trimmed.gap[1]:,} is noted" if trimmed.gap is not None else ""
            typer.echo(f"{told}{trimmed.first_window:,}{gap}")


@app.command()
def move(
    journal: Directory,
    shards: Annotated[int, typer.Option(min=1, max=1_024, help="How many order books are to share it.")],
    assign: Annotated[
        list[str] | None, typer.Option(metavar="SYMBOL=SHARD,...", help="As the order books' --assign; may be repeated.")
    ] = None,
) -> None:
    """Rewrite a journal for another number of order books. They must not be running; the old one stays aside."""
    with _errors_as_lines("journal move"):
        assigned = _assigned(assign or ())
        if (aside := moving.finish(journal)) is not None:
            typer.echo(f"finished what was cut off; the old shards are in {aside}")
        with open_session(journal) as session, _bar() as bar:
            _check_not_empty(session)
            task = bar.add_task("moving", total=None, shown="")
            moved = move_shards(session, shards, assigned, lambda done, total: bar.update(task, completed=done, total=total))
    if moved is None:
        typer.echo(f"{journal} is of {shards} shards with these symbols already")
        return
    for name, symbols in moved.symbols.items():
        typer.echo(f"{name}: {', '.join(symbols) or 'no symbol'}")
    typer.echo(
        f"{moved.windows:,} windows moved, with {len(moved.snapshots)} snapshots; the old shards are in {moved.aside}"
    )


def main() -> None:
    """Entry point of `python -m marksim.journal`."""
    app(prog_name="marksim journal")


def _tell_verified(session: Session, verified: Verified) -> None:
    for name, window in verified.starts.items():
        if window >= 0:
            moment = format_moment(session.run.end_ns(window))
            typer.echo(
                f"{name}: the beginning is not there any more; begun with the books after window {window:,}, {moment}"
            )
    if verified.difference is not None:
        typer.echo(f"different: {verified.difference}")
        raise typer.Exit(EXIT_FAILED)
    ends = {part.last_window for part in session.parts}
    after = f" after window {verified.window:,}" if len(ends) > 1 else ""
    whole = "" if session.is_whole else f" (of {len(verified.tapes)} symbols of shard {session.run.shard})"
    typer.echo(f"equal: {verified.windows:,} windows, {verified.orders:,} orders")
    typer.echo(f"tape hash: {run_hash(verified.tapes)}{after}{whole}")
    for symbol, tape in verified.tapes.items():
        typer.echo(f"{symbol}: {tape}")


def _check_not_empty(session: Session) -> None:
    if session.common_window < 0:
        raise NotFound(f"{session.path}: run {session.run.run} has no window yet")


def _beginning(session: Session, begin: str | None) -> tuple[int, BookState | None]:
    """The first window to write, and the books before it. Raises NotFound where there are none to begin with."""
    first = max(0, *(part.first_window for part in session.parts))
    if begin is None and first == 0:
        return 0, None
    if begin is None:
        raise NotFound(
            f"{session.path} begins with window {first}, not with the run: give --from TIME to begin with a snapshot of "
            "the books"
        )
    until = window_of(session, parse_moment_ns(begin, "--from"))
    common = set.intersection(*(set(part.snapshots()) for part in session.parts))
    for window in sorted(common, reverse=True):
        if first - 1 <= window <= min(until, session.common_window - 1):
            return window + 1, joined([part.state(window) for part in session.parts])
    found = ", ".join(f"{window:,} ({format_moment(session.run.end_ns(window))})" for window in sorted(common)) or "none"
    raise NotFound(f"{session.path}: no snapshot of all books is there to begin with; there are such after windows: {found}")


def _assigned(texts: "list[str] | tuple[()]") -> dict[str, int]:
    assigned = {}
    for text in texts:
        for pair in split_list(text):
            symbol, _, shard = pair.partition("=")
            if not shard.isdecimal():
                raise InvalidInput(f"--assign: {pair!r} is not SYMBOL=SHARD, such as BTC/USD=0")
            assigned[symbol] = int(shard)
    return assigned


def _per(size: int, orders: int) -> str:
    return f", {size / orders:,.1f} an order" if orders else ""


@contextmanager
def _errors_as_lines(command: str) -> Iterator[None]:
    try:
        yield
    except InvalidInput as error:
        _refuse(command, error.message, EXIT_USAGE)
    except (MarksimError, NotNow) as error:
        _refuse(command, error.message, EXIT_FAILED)
    except OSError as error:
        _refuse(command, f"{error.filename or 'a file'}: {error.strerror or error}", EXIT_FAILED)
    except KeyboardInterrupt:
        _refuse(command, "interrupted", EXIT_INTERRUPTED)


def _refuse(command: str, message: str, code: int) -> NoReturn:
    typer.echo(f"marksim {command}: {message}", err=True)
    raise typer.Exit(code)


def _bar() -> Any:
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[shown]}"))
    console = Console(stderr=True)
    # Without a terminal it would be an empty line.
    times = (TimeElapsedColumn(), TimeRemainingColumn())
    return Progress(*columns, *times, console=console, transient=True, disable=not console.is_terminal)
