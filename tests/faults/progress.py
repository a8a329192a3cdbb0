"""How far a campaign is: one JSON file, written aside and renamed after every kill, from which the next slice goes on."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

SCHEMA: Final = 1
KILLS: Final = ("orderbook", "engine", "archiver", "edge", "two")
TARGETS: Final = (*KILLS, "clock", "disk", "synced", "network")
"""What is done to the market: one service is killed, two at once, the wall clock steps, the disk fails for a while, with
durability `process` or, `synced`, with `disk`, or the network does."""
OFTEN: Final = 5
"""A moment that was looked for so often must have come in half of the cases."""


@dataclass(frozen=True)
class Plan:
    """What a campaign does; the file of another plan is refused."""

    target: str
    scenario: str
    kills: int
    seed: int


@dataclass(frozen=True)
class Episode:
    """One disturbance, and how the market got over it."""

    number: int
    what: tuple[str, ...]
    """Services that were killed, or what else was done."""
    moment: str
    met: bool
    """Whether the moment came; one that does not in time is a random one."""
    recovered_s: float
    """From when the processes stand again until all are ready and windows go on; of a fault that lasts, from its end."""
    windows: int
    """Done when all ran again."""
    run: str


@dataclass
class Progress:
    """A campaign so far."""

    plan: Plan
    directory: str
    episodes: list[Episode] = field(default_factory=list)
    slices: int = 0
    wall_s: float = 0.0
    problems: list[str] = field(default_factory=list)
    """Found on the way; those of the end are found there."""
    readers: dict[str, int] = field(default_factory=dict)
    """What the readers counted."""
    result: dict[str, Any] | None = None
    """Figures of the whole, once it is over."""

    @property
    def done(self) -> int:
        return len(self.episodes)

    def save(self, path: Path) -> None:
        """Durable enough for the end of this process at any moment."""
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_suffix(".tmp")
        aside.write_text(json.dumps({"schema": SCHEMA, **asdict(self)}, indent=1) + "\n", encoding="utf-8")
        aside.replace(path)


def load(path: Path, plan: Plan) -> Progress:
    """Go on where the file says, or begin. ValueError with a sentence where the file is of another plan."""
    if not path.exists():
        return Progress(plan, str(path.with_suffix("")))
    content = json.loads(path.read_text(encoding="utf-8"))
    if content.pop("schema", None) != SCHEMA:
        raise ValueError(f"{path} is of another version of the campaign: give another --state, or remove it")
    before = Plan(**content.pop("plan"))
    if before != plan:
        raise ValueError(f"{path} is of {before}, not {plan}: give another --state, or remove it and its folder")
    episodes = [Episode(**{**one, "what": tuple(one["what"])}) for one in content.pop("episodes")]
    return Progress(plan, episodes=episodes, **content)


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that so large a share of them does not exceed; 0 of none."""
    if not values:
        return 0.0
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -(-int(share * 1000 * len(ordered)) // 1000) - 1))]


def missed(episodes: Sequence[Episode]) -> list[str]:
    """Moments that were looked for often and hardly came: such a campaign proves less than it says."""
    problems = []
    for kind in sorted({episode.moment for episode in episodes}):
        met = [episode.met for episode in episodes if episode.moment == kind]
        if len(met) >= OFTEN and sum(met) * 2 < len(met):
            problems.append(f"only {sum(met)} of {len(met)} times in the moment {kind}")
    return problems


def figures(progress: Progress, orders: Mapping[str, int], checks: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Of a campaign that is over; `orders` is what the clients counted, `checks` the problems by what was checked."""
    times = [episode.recovered_s for episode in progress.episodes]
    moments: dict[str, int] = {}
    for episode in progress.episodes:
        name = episode.moment if episode.met else f"{episode.moment} (missed)"
        moments[name] = moments.get(name, 0) + 1
    return {
        "target": progress.plan.target,
        "scenario": progress.plan.scenario,
        "seed": progress.plan.seed,
        "kills": progress.done,
        "moments": dict(sorted(moments.items())),
        "slices": progress.slices,
        "wall_s": round(progress.wall_s, 1),
        "windows": progress.episodes[-1].windows if progress.episodes else 0,
        "recovered_s": {
            "median": round(quantile(times, 0.5), 2),
            "p90": round(quantile(times, 0.9), 2),
            "longest": round(max(times, default=0.0), 2),
        },
        "orders": dict(orders),
        "readers": dict(sorted(progress.readers.items())),
        "problems": {name: len(found) for name, found in checks.items()},
        "sound": not any(checks.values()),
    }


COLUMNS: Final = (
    *("disturbed", "scenario", "times", "moments", "median s", "p90 s", "longest s"),
    *("windows", "orders", "clients", "events", "archive", "journal", "tape"),
)


def table(results: Sequence[Mapping[str, Any]]) -> str:
    """The rows of docs/reliability.md."""
    rows = [COLUMNS, tuple("---" for _ in COLUMNS)]
    for one in results:
        times, problems = one["recovered_s"], one["problems"]
        met = ", ".join(f"{name} {count}" for name, count in one["moments"].items())
        rows.append(
            (
                *(one["target"], one["scenario"], str(one["kills"]), met),
                *(f"{times[name]:.2f}" for name in ("median", "p90", "longest")),
                *(f"{one['windows']:,}", f"{one['orders'].get('acknowledged', 0):,}"),
                *(f"{problems[name]} problems" if problems[name] else "sound" for name in ("clients", "events")),
                *("differs" if problems[name] else "equal" for name in ("archive", "journal", "tape")),
            )
        )
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)
