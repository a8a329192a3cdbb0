"""`python -m marksim <command>`."""

from marksim.cli import main

if __name__ == "__main__":
    main()
