"""What a campaign and a long run keep, count and call sound."""

import argparse
import json
import os
import random
from pathlib import Path

import pytest

from tests.faults import moments, soak
from tests.faults.__main__ import main as campaign
from tests.faults.__main__ import results, span
from tests.faults.market import Market
from tests.faults.progress import Episode, Plan, Progress, figures, load, missed, quantile, table
from tests.faults.soak import Sample, Soak

PLAN = Plan("orderbook", "default", 3, 7)
CHECKS = ("end", "run", "readers", "clients", "events", "archive", "journal", "tape")


def episodes(count: int) -> list[Episode]:
    return [Episode(n, ("orderbook",), "random", n != 2, float(n), 100 * n, "run-1") for n in range(1, count + 1)]


def test_slices_go_on_from_the_file(tmp_path: Path) -> None:
    """What was saved is read back whole; another plan, or version, is refused with a sentence that says what to do."""
    path = tmp_path / "sub" / "state.json"
    progress = load(path, PLAN)
    assert (progress.done, progress.directory) == (0, str(tmp_path / "sub" / "state"))
    progress.episodes += episodes(2)
    progress.slices, progress.readers = 1, {"feed ticks": 5}
    progress.save(path)
    assert load(path, PLAN) == progress
    assert [one.name for one in path.parent.iterdir()] == ["state.json"]
    with pytest.raises(ValueError, match=r"is of Plan\(target='orderbook'.*give another --state"):
        load(path, Plan("engine", "default", 3, 7))
    path.write_text(json.dumps({**json.loads(path.read_text()), "schema": 0}))
    with pytest.raises(ValueError, match="another version"):
        load(path, PLAN)


@pytest.mark.parametrize(("met", "problems"), [((0, 0, 0, 0), 0), ((1, 0, 1, 0, 0), 1), ((1, 0, 1, 0, 1), 0)])
def test_a_campaign_that_hardly_met_its_moment_is_not_sound(met: tuple[int, ...], problems: int) -> None:
    """Of few tries nothing is said; of many at least half have met what they were for."""
    looked = [Episode(n, ("engine",), "snapshot", bool(one), 1.0, n, "run-1") for n, one in enumerate(met)]
    assert len(missed([*episodes(9), *looked])) == problems


def test_figures_and_table_say_what_was_found(tmp_path: Path) -> None:
    """A campaign is sound where no check has a problem; the table has a row for each that is over, and what differs."""
    progress = Progress(PLAN, str(tmp_path), episodes(3), slices=2, wall_s=60.04)
    sound = figures(progress, {"acknowledged": 1234}, {name: [] for name in CHECKS})
    assert sound["sound"] and sound["windows"] == 300
    assert sound["moments"] == {"random": 2, "random (missed)": 1}
    assert sound["recovered_s"] == {"median": 2.0, "p90": 3.0, "longest": 3.0}
    broken = figures(progress, {}, {**{name: [] for name in CHECKS}, "clients": ["a", "b"], "tape": ["c"]})
    assert not broken["sound"]
    lines = table([sound, broken]).splitlines()
    assert "| 3 | random 2, random (missed) 1 | 2.00 |" in lines[2]
    assert lines[2].endswith("| 300 | 1,234 | sound | sound | equal | equal | equal |")
    assert lines[3].endswith("| 300 | 0 | 2 problems | sound | equal | equal | differs |")
    progress.result = sound
    progress.save(tmp_path / "over.json")
    Progress(PLAN, "").save(tmp_path / "begun.json")
    assert results(tmp_path) == [sound]


def test_command_refuses_nonsense(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Spans have a unit; one state file is of one campaign, and another plan's file is refused."""
    assert [span(text) for text in ("90s", "1.5m", "1h")] == [90.0, 90.0, 3600.0]
    for text in ("90", "h", "-1h", "1 h"):
        with pytest.raises(argparse.ArgumentTypeError, match="write 90s, 45m or 1h"):
            span(text)
    Progress(PLAN, "").save(tmp_path / "state.json")
    state = ["--state", str(tmp_path / "state.json")]
    for flags, words in (
        (["--kills", "0"], "give at least 1"),
        (["--target", "all", *state], "of one campaign"),
        (["--target", "edge", *state], "give another --state"),
    ):
        with pytest.raises(SystemExit):
            campaign(flags)
        assert words in capsys.readouterr().err


async def test_a_process_that_was_killed_is_not_taken_for_the_next_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On a busy machine it is still listed for a moment: then nobody recovers, and there is nobody to kill."""

    class Returning(Market):
        """The killed one is seen three times, then nobody is, then the next one."""

        def __init__(self) -> None:
            self.seen = [7, 7, 7, None]

        def pid_of(self, service: str) -> int | None:
            return self.seen.pop(0) if self.seen else 8

        async def unready(self) -> dict[str, str]:
            return unready

    unready = {"edge": "connection refused"}
    monkeypatch.setattr(moments, "SOON_S", dict.fromkeys(moments.SOON_S, 0.0))
    market = Returning()
    moment = await moments.wait_for(moments.RECOVERY, market, ["edge"], random.Random(1), {"edge": 7})
    assert moment.met and moment.there
    assert not market.seen
    unready = {"archiver": "connection refused"}
    moment = await moments.wait_for(moments.RECOVERY, market, ["edge"], random.Random(1), {"edge": 7})
    assert moment.there and not moment.met, "it had recovered by then"


@pytest.mark.parametrize("service", ["orderbook", "engine"])
def test_a_snapshot_was_met_where_the_kill_left_a_part_of_it(tmp_path: Path, service: str) -> None:
    """Of the service that was killed, and just now: what another kill left, and whole ones, do not count."""

    class Left(Market):
        """Only its files are looked at."""

        def __init__(self) -> None:
            self.data_dir = tmp_path

    folders = {"orderbook": tmp_path / "journal" / "shard-0", "engine": tmp_path / "engine"}
    for folder in folders.values():
        folder.mkdir(parents=True)
    market = Left()
    part = folders.pop(service) / ".book-000000000007.snapshot.tmp"
    (folders.popitem()[1] / part.name).write_bytes(b"of another")
    part.with_name("book-000000000007.snapshot").write_bytes(b"whole")
    assert not moments.met_snapshot(market, [service]).met
    part.write_bytes(b"half")
    assert moments.met_snapshot(market, [service]).met
    os.utime(part, (1.0, 1.0))
    assert not moments.met_snapshot(market, [service]).met


@pytest.mark.parametrize(
    ("service", "kinds"),
    [
        ("orderbook", ["random", "snapshot", "random", "recovery", "random"]),
        ("archiver", ["random", "rotation", "random", "recovery", "random"]),
        ("edge", ["random", "recovery", "random", "recovery", "random"]),
    ],
)
def test_five_kills_have_all_moments_of_the_service(service: str, kinds: list[str]) -> None:
    """Each second one is random; between, the special ones come in turn for ever."""
    assert [moments.plan(number, service) for number in range(1, 6)] == kinds
    assert [moments.plan(number, service) for number in range(5, 9)] == kinds[:4]


@pytest.mark.parametrize(("share", "value"), [(0.0, 1.0), (0.5, 50.0), (0.9, 90.0), (0.99, 99.0), (1.0, 100.0)])
def test_quantile_is_a_value_that_was_seen(share: float, value: float) -> None:
    """Of 1 to 100 it is the value below or at which that share of them is."""
    assert quantile([float(number) for number in range(100, 0, -1)], share) == value
    assert quantile([], share) == 0.0


def flat(count: int = 20, **changed: float) -> Soak:
    """A run in which nothing grows but what `changed` says, by how much in all."""
    memory, handles = changed.get("memory", 0.0) / count, changed.get("handles", 0.0) / count
    samples = [Sample(100 + memory * n, round(30 + handles * n)) for n in range(count)]
    return Soak({"edge": samples}, lags_s=[0.0] * 100, slips=int(changed.get("slips", 0)), windows=9, consumers=9)


def test_flat_is_what_the_rule_says() -> None:
    """Small growth, and growth in the warming up alone, are flat; more memory, handles, lag or a slip are told."""
    assert soak.check(flat()) == soak.check(flat(memory=15, handles=2)) == []
    warming = flat()
    warming.samples["edge"][:4] = [Sample(10.0 * n, n) for n in range(4)]
    warming.lags_s[:20] = [9.0] * 20
    assert soak.check(warming) == []
    late = flat()
    late.lags_s[-2:] = [0.5, 0.5]
    cases = {
        "edge: memory grew from": flat(memory=60),
        "edge: file handles grew from": flat(handles=20),
        "0.50 s late": late,
        "gave up time 1 times": flat(slips=1),
    }
    for sentence, case in cases.items():
        (problem,) = soak.check(case)
        assert sentence in problem
    assert soak.check(late, shared=True) == soak.check(flat(slips=1), shared=True) == []
    assert soak.check(flat(memory=60), shared=True) != [] and soak.check(Soak(lags_s=[0.0])) != []
    result = soak.figures(flat(), 2.0, 20.0, 80.0, shared=False)
    assert result["problems"] == [] and "| edge | 100.0, 100.0 | 30, 30 |" in soak.table(result)
