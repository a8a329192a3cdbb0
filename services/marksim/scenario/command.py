"""`marksim scenario`: list, show and check scenarios, and print the schema for editors."""

import json
from collections.abc import Iterator
from typing import Annotated, Any, Final

import typer
import yaml

from marksim.core.errors import InvalidInput
from marksim.core.sim.inputs import LIMIT_BYTES
from marksim.scenario.checks import load_of, quantised_of, warnings_of
from marksim.scenario.complaints import WrongScenario
from marksim.scenario.editor import editor_schema_text
from marksim.scenario.loading import load_scenario, read_text, ready_scenarios
from marksim.scenario.recovery import Recovery, recovery_of
from marksim.scenario.schema import Scenario

EXIT_WRONG: Final = 1

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help="List, show and check scenarios."
)

Reference = Annotated[str, typer.Argument(metavar="NAME|FILE", help="A ready scenario, or the path of a YAML file.")]
Overrides = Annotated[list[str] | None, typer.Option("--set", metavar="PATH=VALUE", help="An override; may be repeated.")]
Seed = Annotated[int | None, typer.Option(help="Seed of the run; the scenario's own if not given.")]


@app.command("list")
def list_scenarios() -> None:
    """List the scenarios that come with the package."""
    rows = [("name", "agents", "traders", "duration", "symbols")]
    scenarios = {name: load_scenario(name) for name in ready_scenarios()}
    rows += [(name, *_row(scenario)) for name, scenario in scenarios.items()]
    width = max(len(row[0]) for row in rows)
    for name, agents, traders, duration, symbols in rows:
        typer.echo(f"{name:<{width}}  {agents:>6}  {traders:>9}  {duration:<8}  {symbols}")
        if name in scenarios:
            typer.echo(f"  {scenarios[name].description}")


@app.command()
def show(
    reference: Reference,
    resolved: Annotated[bool, typer.Option("--resolved", help="With all it extends, overrides and defaults.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The same as JSON, with the hash.")] = False,
    overrides: Overrides = None,
    seed: Seed = None,
) -> None:
    """Print a scenario as it was written, or resolved."""
    try:
        if not (resolved or as_json or overrides or seed is not None):
            typer.echo(read_text(reference), nl=False)
            return
        scenario = load_scenario(reference, overrides or (), seed)
    except InvalidInput as error:
        raise _refuse(error) from None
    if as_json:
        about = {"hash": scenario.hash, "start_ns": scenario.start_ns, "accounts": scenario.accounts}
        typer.echo(json.dumps({**about, "scenario": scenario.resolved()}, indent=2))
        return
    text = yaml.safe_dump(scenario.resolved(), sort_keys=False, allow_unicode=True, width=120)
    typer.echo(f"# hash: {scenario.hash}\n{text}", nl=False)


@app.command()
def check(
    references: Annotated[list[str], typer.Argument(metavar="NAME|FILE...", help="Ready scenarios or YAML files.")],
    overrides: Overrides = None,
) -> None:
    """Say whether scenarios can be run, and what to expect of them; imports the code of your own agents."""
    wrong = False
    for reference in references:
        try:
            scenario = load_scenario(reference, overrides or ())
            scenario.cast()
        except InvalidInput as error:
            wrong = True
            for fault in error.faults if isinstance(error, WrongScenario) else (error.message,):
                typer.echo(f"error: {fault}", err=True)
            continue
        _describe(reference, scenario)
    if wrong:
        raise typer.Exit(EXIT_WRONG)


@app.command()
def schema() -> None:
    """Print the JSON schema, by which an editor completes and checks a scenario."""
    typer.echo(editor_schema_text(), nl=False)


def _describe(reference: str, scenario: Scenario) -> None:
    cast = scenario.cast()
    load = load_of(cast)
    traders = sum(population.traders for population in cast.populations)
    facts: dict[str, Any] = {
        "hash": scenario.hash,
        "symbols": ", ".join(instrument.symbol for instrument in scenario.traded),
        "accounts": f"{scenario.accounts:,}: {len(cast.agents):,} agents, {traders:,} traders of populations",
        "numbers": ", ".join(f"{name} {_numbers(one)}" for name, one in scenario.account_ranges.items()),
        "events": len(cast.events),
        "duration": scenario.duration or "without end",
    }
    if load.known:
        facts["load"] = (
            f"about {load.per_s:,.3g} actions a simulated second, of the {load.known:,} of {load.all:,} that say so"
        )
    if quantised := quantised_of(scenario):
        shown = ", ".join(f"{name} ({least_ms:.3g} ms)" for name, least_ms in quantised)
        facts["latency"] = f"quantised to {scenario.lookahead_ms} ms: {shown}"
    facts["crash"] = "\n            ".join(_after_a_crash(recovery_of(scenario, cast)))
    typer.echo(f"{reference}: can be run")
    for name, fact in facts.items():
        typer.echo(f"  {name:<9} {fact}")
    for warning in warnings_of(scenario, cast):
        typer.echo(f"  warning: {warning}")


def _after_a_crash(recovery: Recovery) -> Iterator[str]:
    """Who goes on, and how: one line for each way."""
    if recovery.restored:
        yield f"restored from their state: {', '.join(recovery.restored)}"
    if log := recovery.log:
        rates = f"{log.ticks_per_s:,.3g} ticks and {log.events_per_s:,.3g} own events a simulated second"
        yield f"re-run from the log of their inputs: {', '.join(recovery.rerun)}"
        hours = f"{log.full_after_s / 3_600:.3g} simulated hours"
        yield f"  and afresh once that is full ({LIMIT_BYTES >> 20} MiB): after {hours} at {rates}"
    if recovery.ephemeral:
        yield f"afresh, their orders cancelled: {', '.join(recovery.ephemeral)}"
    if not recovery.restored and not recovery.rerun and not recovery.ephemeral:
        yield "nobody takes part"


def _numbers(accounts: range) -> str:
    if len(accounts) < 2:
        return f"{accounts[0]}" if accounts else "none"
    return f"{accounts[0]}-{accounts[-1]}"


def _row(scenario: Scenario) -> tuple[str, str, str, str]:
    agents = sum(agent.count for agent in scenario.agents)
    traders = sum(population.traders for population in scenario.populations)
    symbols = ", ".join(instrument.symbol for instrument in scenario.traded)
    return f"{agents:,}", f"{traders:,}", scenario.duration or "-", symbols


def _refuse(error: InvalidInput) -> typer.Exit:
    typer.echo(f"error: {error.message}", err=True)
    return typer.Exit(EXIT_WRONG)
