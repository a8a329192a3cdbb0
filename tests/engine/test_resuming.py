"""Which run an engine goes on with: what books may say, and what it makes of it."""

import pytest

from marksim.engine.resuming import run_to_resume
from marksim.engine.shard import Unlike
from marksim.scenario import load_scenario
from marksim.v1 import orderbook_pb2 as pb

SCENARIO = load_scenario("two-symbols")


def kept(
    run: str = "a", durability: str = "process", seed: int = SCENARIO.seed, *, replay: bool = False, last: int | None = 9
) -> pb.GetRunResponse:
    """What a book says that keeps a run of the scenario."""
    return pb.GetRunResponse(
        run=run,
        durability=durability,
        seed=seed,
        replay=replay,
        scenario_hash=SCENARIO.hash,
        start_time_ns=SCENARIO.start_ns,
        lookahead_ns=SCENARIO.lookahead_ns,
        last_window=last,
    )


@pytest.mark.parametrize("books", [[kept(), kept()], [kept(durability="disk")]])
def test_the_run_that_all_books_keep_goes_on(books: list[pb.GetRunResponse]) -> None:
    """Whatever it takes to lose it."""
    assert run_to_resume(books, SCENARIO) == "a"


def test_a_run_that_was_opened_on_some_books_only_is_begun_on_all() -> None:
    """Its engine ended before the first window, so nothing of it is lost; after that a book without it has lost its part."""
    assert run_to_resume([kept("", last=None), kept(last=None)], SCENARIO) == "a"


@pytest.mark.parametrize("books", [[kept(""), kept("")], [kept(durability="none")]])
def test_a_run_that_nobody_keeps_is_begun(books: list[pb.GetRunResponse]) -> None:
    """Where books have none, and where theirs ends with them."""
    assert run_to_resume(books, SCENARIO) == ""


@pytest.mark.parametrize(
    ("books", "said"),
    [
        ([kept(last=0), kept("", last=None)], r"keep different runs \(a; some have none\)"),
        ([kept(last=None), kept("", "none", last=None)], r"keep different runs \(a; some have none\)"),
        ([kept(), kept("b")], r"keep different runs \(a, b\)"),
        ([kept(seed=SCENARIO.seed + 1)], r"keep run a of scenario .* start it as that run was"),
        ([kept(replay=True)], "run a is a recorded session"),
    ],
)
def test_books_that_may_yet_come_to_a_new_run_are_looked_at_again(books: list[pb.GetRunResponse], said: str) -> None:
    """They are replaced one by one: what is not alike now is no refusal for good, and the message says what to do."""
    with pytest.raises(Unlike, match=said):
        run_to_resume(books, SCENARIO)
