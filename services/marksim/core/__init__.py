"""The pure heart: matching, virtual time, agents and feed. No I/O, no wall clock, no global state."""
