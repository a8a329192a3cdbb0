"""`python -m marksim.control pause`, the same as `marksim pause`."""

from marksim.control.commands import main

if __name__ == "__main__":
    main()
