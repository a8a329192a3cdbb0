"""Which shard trades which symbol: a pure function of names and numbers, the same in every process."""

import hashlib
from collections.abc import Mapping, Sequence

from marksim.core.errors import InvalidInput


def rendezvous_shard(symbol: str, shards: int) -> int:
    """The shard with the highest weight for a symbol; of equal ones, which SHA-256 does not give, the lowest.

    The weight of a shard is the first 8 bytes, big-endian, of SHA-256 over `symbol`, a zero byte, and the shard's number in
    decimal, all UTF-8. With one shard more, only the symbols move that the new shard takes (rendezvous hashing: Thaler and
    Ravishankar, "A name-based mapping scheme for rendezvous", 1996).
    """
    return max(range(shards), key=lambda shard: hashlib.sha256(f"{symbol}\0{shard}".encode()).digest()[:8])


def assign_shards(symbols: Sequence[str], shards: int, assigned: Mapping[str, int]) -> dict[str, int]:
    """Each symbol's shard: the one that `assigned` says, else by `rendezvous_shard`.

    Raises InvalidInput where `assigned` names a symbol that is not there, or a shard that is not from 0 to shards - 1.
    """
    for symbol, shard in assigned.items():
        if symbol not in symbols:
            raise InvalidInput(f"{symbol}={shard}: the scenario does not trade {symbol!r} but {', '.join(symbols)}")
        if not 0 <= shard < shards:
            raise InvalidInput(f"{symbol}={shard}: there is no shard {shard}, with {shards} they are 0 to {shards - 1}")
    return {symbol: assigned.get(symbol, rendezvous_shard(symbol, shards)) for symbol in symbols}
