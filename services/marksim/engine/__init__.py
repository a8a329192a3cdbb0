"""The engine service: owns the clock of the agents and drives the order books window by window."""
