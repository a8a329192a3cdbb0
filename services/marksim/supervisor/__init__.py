"""The processes of a market on one machine: start, watch, restart, end. Used by `marksim.main` alone."""
