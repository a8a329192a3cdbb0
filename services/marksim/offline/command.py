"""`marksim simulate`: a run, or many seeds of it, with a progress bar and the tape hash at the end."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated, Final, NoReturn

import typer
from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.table import Table

from marksim.core.errors import MarksimError
from marksim.offline.recording import ALL_TABLES
from marksim.offline.result import Result, Stats
from marksim.offline.running import Progress, checked_tables, simulate
from marksim.offline.seeds import Job, Outcome, parse_seeds, run_seeds
from marksim.runtime.durations import format_moment
from marksim.runtime.settings import EXIT_USAGE, split_list
from marksim.runtime.watchdog import Stalled
from marksim.scenario import load_scenario

EXIT_FAILED: Final = 1
EXIT_INTERRUPTED: Final = 130

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command(help=f"Simulate a scenario in this process at full speed. Tables: {', '.join(ALL_TABLES)}.")
def run(
    scenario: Annotated[str, typer.Argument(metavar="NAME|FILE", help="A ready scenario, or the path of a YAML file.")],
    until: Annotated[
        str | None,
        typer.Option(help="How long (6.5h, 1d) or until when (2025-01-07T00:00); the scenario's duration if not given."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write Parquet files here, as the archiver does; else only the hash.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the run; the scenario's own if not given.")] = None,
    seeds: Annotated[
        str | None, typer.Option(metavar="1..100|1,5,9", help="Many seeds, on all cores, each in its own DIR/seed=N.")
    ] = None,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="PATH=VALUE", help="An override; may be repeated.")
    ] = None,
    tables: Annotated[str, typer.Option(help="Tables to write.", metavar="A,B")] = ",".join(ALL_TABLES),
) -> None:
    if seed is not None and seeds is not None:
        _refuse("give --seed or --seeds, not both", EXIT_USAGE)
    said = tuple(part for text in overrides or () for part in split_list(text))
    with _errors_as_lines(out):
        chosen = checked_tables(split_list(tables))
        if seeds is not None:
            _many(scenario, parse_seeds(seeds), said, until, out, chosen)
            return
        with _bar() as bar:
            task = bar.add_task("starting", total=None, shown="")

            def show(progress: Progress) -> None:
                done, total = progress.now_ns - progress.start_ns, progress.until_ns - progress.start_ns
                shown = f"{progress.events:,} events"
                bar.update(task, completed=done, total=total, description=format_moment(progress.now_ns)[:19], shown=shown)

            result = simulate(
                scenario,
                seed=seed,
                until=until,
                out=out,
                overrides=said,
                tables=chosen if out is not None else (),
                progress=show,
                preparing=lambda kernel: bar.update(task, description=f"preparing kernels: {kernel}"),
            )
        _summary(result)
        typer.echo(f"tape hash: {result.tape_hash}")


def main() -> None:
    """Entry point: read the flags of the process and run."""
    app(prog_name="marksim simulate")


def _many(
    scenario: str,
    seeds: tuple[int, ...],
    said: tuple[str, ...],
    until: str | None,
    out: Path | None,
    tables: tuple[str, ...],
) -> None:
    loaded = load_scenario(scenario, said, seeds[0])
    # `start: now` is one moment for all of them.
    job = Job(scenario, (*said, f"start={loaded.start.isoformat()}"), until, out, tables)
    outcomes: dict[int, Outcome] = {}
    try:
        with _bar() as bar:
            task = bar.add_task(f"{scenario}, seeds", total=len(seeds), shown="")
            with closing(run_seeds(job, seeds)) as ended:
                for outcome in ended:
                    outcomes[outcome.seed] = outcome
                    failed = sum(bool(one.error) for one in outcomes.values())
                    bar.update(task, advance=1, shown=f"{failed} failed" if failed else "")
    finally:
        done = [outcomes[seed] for seed in seeds if seed in outcomes]
        Console(stderr=True).print(_table(done))
        for outcome in done:
            if not outcome.error:
                typer.echo(f"tape hash: {outcome.tape_hash} seed {outcome.seed}")
    if any(outcome.error for outcome in done):
        raise typer.Exit(EXIT_FAILED)


@contextmanager
def _errors_as_lines(out: Path | None) -> Iterator[None]:
    try:
        yield
    except MarksimError as error:
        _refuse(error.message, EXIT_USAGE)
    except OSError as error:
        place = f"--out {out} cannot be written" if out is not None else error.filename or "the run failed"
        _refuse(f"{place}: {error.strerror or error}", EXIT_FAILED)
    except Stalled as error:
        _refuse(str(error), EXIT_FAILED)
    except KeyboardInterrupt:
        kept = f"; what was simulated is in {out}" if out is not None else ""
        _refuse(f"interrupted{kept}", EXIT_INTERRUPTED)


def _refuse(message: str, code: int) -> NoReturn:
    typer.echo(f"marksim simulate: {message}", err=True)
    raise typer.Exit(code)


def _bar() -> Bar:
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[shown]}"))
    return Bar(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=Console(stderr=True), transient=True)


def _summary(result: Result) -> None:
    stats = result.stats
    facts = {
        "scenario": f"{result.scenario}, seed {result.seed}",
        "simulated": f"{format_moment(result.start_ns)} to {format_moment(result.end_ns)}",
        "events": f"{stats.events:,} of {stats.orders:,} orders; {stats.trades:,} trades, {stats.ticks:,} ticks",
        "wall": _speed(stats),
    }
    if result.out is not None:
        facts["archive"] = f"{result.out}: {stats.files} files, {stats.bytes / (1 << 20):,.1f} MiB, run {result.run}"
    for name, fact in facts.items():
        typer.echo(f"{name:<10} {fact}")
    for failure in result.failures:
        moment = format_moment(failure.time_ns)
        typer.echo(f"failed     agent {failure.name} at {moment}: {type(failure.error).__name__}: {failure.error}")


def _speed(stats: Stats) -> str:
    rate = stats.events / stats.wall_s if stats.wall_s else 0.0
    return f"{stats.wall_s:.2f} s: {stats.speed:,.0f} x real time, {rate:,.0f} events/s"


def _table(outcomes: list[Outcome]) -> Table:
    table = Table(
        "seed", "tape hash", "events", "trades", "wall s", "agents that failed", "error", box=None, header_style="bold"
    )
    for one in outcomes:
        stats = one.stats
        figures = (f"{stats.events:,}", f"{stats.trades:,}", f"{stats.wall_s:.1f}") if stats else ("", "", "")
        table.add_row(str(one.seed), one.tape_hash[:16], *figures, ", ".join(one.failures), one.error)
    return table
