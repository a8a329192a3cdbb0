"""`python -m marksim <command>`."""

from marksim.cli import main
from marksim.runtime.cpu import fit_kernels

if __name__ == "__main__":
    fit_kernels()
    main()
