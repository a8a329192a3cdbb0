"""Scenarios: what is traded, by whom, from when on and how fast."""

from marksim.scenario.loading import load_scenario
from marksim.scenario.schema import Scenario

__all__ = ["Scenario", "load_scenario"]
