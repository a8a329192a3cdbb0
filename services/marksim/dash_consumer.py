"""`python -m marksim.dash_consumer`: the dashboard under the name that a user of the feed looks for."""

from marksim.dashboard.__main__ import main

if __name__ == "__main__":
    main()
