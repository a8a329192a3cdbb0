"""`python -m marksim.scenario`."""

from marksim.scenario.command import app

if __name__ == "__main__":
    app(prog_name="marksim scenario")
