"""Scenario files for tests."""

from pathlib import Path

INSTRUMENT = (
    '{symbol: ETH/USD, tick_size: "0.05", lot_size: "0.01", reference_price: "3000", min_price: "1", max_price: "9000"}'
)

TINY = f"""schema: 1
name: tiny
instruments:
  - {INSTRUMENT}
"""

TWO = f"""schema: 1
name: two
instruments:
  - {INSTRUMENT}
  - {INSTRUMENT.replace("ETH", "BTC")}
"""


def write(folder: Path, text: str, name: str = "mine.yaml") -> str:
    """Write a file; its path as text."""
    path = folder / name
    path.write_text(text)
    return str(path)
