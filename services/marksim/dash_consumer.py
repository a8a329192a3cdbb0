"""`python -m marksim.dash_consumer`: the dashboard under the name that a user of the feed looks for."""

import runpy

if __name__ == "__main__":
    runpy.run_module("marksim.dashboard", run_name="__main__", alter_sys=True)
