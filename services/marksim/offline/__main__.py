"""`python -m marksim.offline`, the same as `marksim simulate`."""

from marksim.runtime.cpu import fit_kernels

if __name__ == "__main__":
    fit_kernels()
    from marksim.offline.command import main

    main()
