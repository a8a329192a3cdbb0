"""`python -m marksim kernels`: compile what is compiled, as the build of an image does, and say what came from the cache."""

import time
from typing import Annotated, Final

import typer

from marksim.core.warm import ALL, compile_kernels

CACHED: Final = "end with 1 unless every kernel comes from the cache on disk"

app = typer.Typer(add_completion=False)


@app.command()
def main(cached: Annotated[bool, typer.Option("--cached", help=CACHED)] = False) -> None:
    """Compile all kernels, or load them from the cache, and list them."""
    begun = time.monotonic()
    compile_kernels()
    seconds = time.monotonic() - begun
    compiled = 0
    for name, kernel in ALL.items():
        stats = kernel.stats  # type: ignore[attr-defined]  # Numba's dispatcher
        hits, misses = sum(stats.cache_hits.values()), sum(stats.cache_misses.values())
        compiled += misses
        print(f"{name:<28} {'compiled' if misses else 'cached':<8} cache_hits={hits} cache_misses={misses}")
    print(f"{len(ALL)} kernels, {compiled} compiled, {seconds:.1f} s")
    if cached and compiled:
        raise typer.Exit(1)


if __name__ == "__main__":
    app()
