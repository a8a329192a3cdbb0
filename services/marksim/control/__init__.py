"""Steers a running market from the command line: `marksim pause`, `resume`, `step`, `speed`, `until`, `status`, `inject`."""
