"""`python -m marksim.journal info`, the same as `marksim journal info`."""

from marksim.runtime.cpu import fit_kernels

if __name__ == "__main__":
    fit_kernels()
    from marksim.journal.command import main

    main()
