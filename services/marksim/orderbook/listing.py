"""What the scenario trades, and which part of it this shard does."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from marksim.core.errors import InvalidInput, NotNow
from marksim.core.types import Instrument
from marksim.scenario import Scenario
from marksim.scenario.sharding import assign_shards


@dataclass(frozen=True, slots=True)
class Listing:
    """All instruments of the scenario, each with its shard, and the number of this shard among `shards`."""

    instruments: tuple[Instrument, ...]
    shard: int = 0
    shards: int = 1

    @property
    def own(self) -> tuple[Instrument, ...]:
        """What this shard trades."""
        return tuple(instrument for instrument in self.instruments if instrument.shard == self.shard)

    def instrument(self, symbol: str, field: str = "symbol") -> Instrument:
        """The own instrument of that symbol; raises NotNow with WRONG_SHARD for another shard's, else InvalidInput.

        `field` is where in the request the symbol stands.
        """
        known = {instrument.symbol: instrument for instrument in self.instruments}
        if (instrument := known.get(symbol)) is None:
            names = ", ".join(known)
            message = f"symbol {symbol[:40]!r} is not traded here: give one of {names}"
            raise InvalidInput(message, metadata={"field": field})
        if instrument.shard != self.shard:
            message = f"symbol {symbol} is traded by shard {instrument.shard}, this is shard {self.shard}: ask that one"
            raise NotNow(message, reason="WRONG_SHARD", metadata={"symbol": symbol, "shard": str(instrument.shard)})
        return instrument


def listing_of(scenario: Scenario, shards: int, shard: int, assigned: Mapping[str, int]) -> Listing:
    """The scenario's listing as shard `shard` of `shards` sees it; raises InvalidInput for an assignment that cannot be."""
    instruments = scenario.instruments()
    places = assign_shards([instrument.symbol for instrument in instruments], shards, assigned)
    placed = tuple(replace(instrument, shard=places[instrument.symbol]) for instrument in instruments)
    return Listing(placed, shard, shards)
