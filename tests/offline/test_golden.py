"""Golden tapes: each ready scenario gives the very tape that is committed, on any CPU."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tools.golden_tapes import SWITCH, check, difference, dispatched, kept, tape_of

from marksim.scenario.loading import ready_scenarios

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("scenario", ready_scenarios())
def test_a_ready_scenario_gives_its_golden_tape(scenario: str) -> None:
    """The whole of it, in every symbol; where a change is meant, `make golden` renews them."""
    complaint = difference(scenario, kept().get(scenario), tape_of(scenario))
    assert not complaint, complaint


def test_tapes_do_not_depend_on_what_the_cpu_can_do() -> None:
    """NumPy without its code for newer instructions gives the same tapes."""
    environment = {name: value for name, value in os.environ.items() if name != SWITCH}
    command = [sys.executable, str(ROOT / "tools" / "golden_tapes.py"), "--check", "--plain-numpy"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=55, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"golden tapes: {len(ready_scenarios())} looked at, 0 complaints\n"


def test_a_changed_tape_is_named_with_how_to_renew_it() -> None:
    """Scenario, symbols, figures, and the one command; the same where there is no tape yet, or for another time."""
    wanted = kept()["two-symbols"]
    made = {**wanted, "hash": "f" * 64, "events": 3, "symbols": {**wanted["symbols"], "ETH/USD": "0" * 64}}
    complaint = difference("two-symbols", wanted, made)
    assert complaint.startswith("scenario two-symbols has another tape in ETH/USD: 3 events where it had ")
    assert complaint.endswith("; if that is meant, renew the golden tapes: make golden")
    assert "has no golden tape yet" in difference("new", None, made)
    assert "runs 1h with seed 2, its golden tape 1h with seed 1" in difference("two-symbols", wanted, {**made, "seed": 2})
    assert difference("two-symbols", wanted, dict(wanted)) == ""


def test_a_scenario_that_is_gone_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its golden tape does not stay behind."""
    monkeypatch.setattr("tools.golden_tapes.kept", lambda: {"gone": {}})
    assert check([]) == ["scenario gone is none of the package any more; renew the golden tapes: make golden"]


def test_only_what_numpy_can_leave_is_switched_off() -> None:
    """NumPy ends at the name of a feature that it needs, and at one that this CPU does not have."""
    assert dispatched({"BASE": True, "NEW": True, "NEWEST": False}, ["NEW", "NEWEST", "OTHER"]) == ["NEW"]
