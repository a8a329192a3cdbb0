"""Bytes that are compressed, and know what they are: a checksum over them and over the place that they belong to.

Squeezed bytes are one byte, 0 or 1, and then the bytes as they were or one zstd frame of them, whichever is shorter. Sealed
bytes are a CRC-32, little-endian, of the words that say where they belong and of the squeezed bytes, and then these.
"""

import threading
import zlib
from typing import Final

import zstandard

EFFORT: Final = zstandard.ZstdCompressionParameters(
    strategy=zstandard.STRATEGY_FAST, target_length=2, min_match=7, hash_log=14, window_log=20, chain_log=6, search_log=1
)
"""Of packed rows, while the market waits: only long repetitions are looked for, as columns have them or none. The library's
level -3 takes a third longer for as many bytes, level 1 twice as long for an eighth fewer.
"""
SMALL: Final = 96
"""Fewer bytes than that rarely become fewer, and the try takes longer than all else."""
MAX_BYTES: Final = 1 << 34
"""What a frame may say that it becomes."""
_WHOLE, _ZSTD = b"\0", b"\1"


class _Tools(threading.local):
    """A compressor may be in use by one thread at a time."""

    def __init__(self) -> None:
        self.compressor = zstandard.ZstdCompressor(compression_params=EFFORT)
        self.decompressor = zstandard.ZstdDecompressor()


_tools: Final = _Tools()


def squeeze(data: bytes) -> bytes:
    """The same in fewer bytes, if it can be."""
    if len(data) >= SMALL:
        frame = _tools.compressor.compress(data)
        if len(frame) < len(data):
            return _ZSTD + frame
    return _WHOLE + data


def expand(data: bytes) -> bytes:
    """What was squeezed. Raises ValueError."""
    form = data[:1]
    if form == _WHOLE:
        return data[1:]
    if form != _ZSTD:
        raise ValueError("the bytes are compressed in a way that is not known")
    view = memoryview(data)[1:]
    try:
        if not 0 <= zstandard.frame_content_size(view) <= MAX_BYTES:
            raise ValueError("the compressed bytes do not say how many they become, or too many")
        return _tools.decompressor.decompress(view)
    except zstandard.ZstdError as error:
        raise ValueError(f"the bytes cannot be decompressed: {error}") from None


def checksum(data: bytes, start: int = 0) -> int:
    """CRC-32 of bytes that follow those of `start`."""
    return zlib.crc32(data, start)


def place(*words: str | int) -> int:
    """The checksum with which that of bytes starts that belong there."""
    return zlib.crc32("\0".join(map(str, words)).encode())


def seal(data: bytes, *words: str | int) -> bytes:
    """Sealed bytes that belong to the place that the words name."""
    squeezed = squeeze(data)
    return checksum(squeezed, place(*words)).to_bytes(4, "little") + squeezed


def unseal(data: bytes, *words: str | int) -> bytes:
    """What was sealed for that place. Raises ValueError where it is not what was written there."""
    squeezed = data[4:]
    if len(data) < 5 or int.from_bytes(data[:4], "little") != checksum(squeezed, place(*words)):
        raise ValueError("its checksum differs: it is not what was written there")
    return expand(squeezed)
