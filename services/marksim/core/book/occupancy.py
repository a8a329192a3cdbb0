"""Which levels have orders: a bitmap of three tiers.

Bit i of tier 0 says that level i has orders; bit i of tier n+1 says that word i of tier n is not zero.
"""

import numpy as np

from marksim.core.book.compiled import compiled
from marksim.core.book.words import NO_LEVEL, ONE, WORD, ZERO, Book, Index, int64, leading_zeros, trailing_zeros


@compiled
def set_bit(book: Book, index: Index) -> None:
    """Mark a level as occupied."""
    book.bitmap[index >> 6] |= ONE << (np.uint64(index) & WORD)
    word = index >> 6
    book.bitmap[book.state.tier1 + (word >> 6)] |= ONE << (np.uint64(word) & WORD)
    word >>= 6
    book.bitmap[book.state.tier2 + (word >> 6)] |= ONE << (np.uint64(word) & WORD)


@compiled
def clear_bit(book: Book, index: Index) -> None:
    """Mark a level as empty, and upward while words become zero."""
    word = index >> 6
    book.bitmap[word] &= ~(ONE << (np.uint64(index) & WORD))
    if book.bitmap[word] != ZERO:
        return
    upper = book.state.tier1 + (word >> 6)
    book.bitmap[upper] &= ~(ONE << (np.uint64(word) & WORD))
    if book.bitmap[upper] != ZERO:
        return
    word >>= 6
    book.bitmap[book.state.tier2 + (word >> 6)] &= ~(ONE << (np.uint64(word) & WORD))


@compiled
def next_level(book: Book, index: Index) -> Index:
    """The next worse occupied level of the same side, or NO_LEVEL."""
    following = next_bit(book, index + 1)
    # Behind the worst bid come the asks.
    return NO_LEVEL if index < book.state.span <= following else following


@compiled
def next_bit(book: Book, index: Index) -> Index:
    """The first occupied level from there on, or NO_LEVEL."""
    bits = book.bitmap[index >> 6] >> (np.uint64(index) & WORD)
    if bits != ZERO:
        return index + int64(trailing_zeros(bits))
    index = (index >> 6) + 1
    bits = book.bitmap[book.state.tier1 + (index >> 6)] >> (np.uint64(index) & WORD)
    if bits == ZERO:
        index = (index >> 6) + 1
        word = book.state.tier2 + (index >> 6)
        if word >= book.state.tier_end:
            return int64(NO_LEVEL)
        bits = book.bitmap[word] >> (np.uint64(index) & WORD)
        while bits == ZERO:
            word += 1
            if word == book.state.tier_end:
                return int64(NO_LEVEL)
            index = (word - book.state.tier2) << 6
            bits = book.bitmap[word]
        index = (index + int64(trailing_zeros(bits))) << 6
        bits = book.bitmap[book.state.tier1 + (index >> 6)]
    index = (index + int64(trailing_zeros(bits))) << 6
    return index + int64(trailing_zeros(book.bitmap[index >> 6]))


@compiled
def previous_level(book: Book, index: Index) -> Index:
    """The next better occupied level of the same side, which there is."""
    index -= 1
    bits = book.bitmap[index >> 6] << (WORD - (np.uint64(index) & WORD))
    if bits != ZERO:
        return index - int64(leading_zeros(bits))
    index = (index >> 6) - 1
    bits = book.bitmap[book.state.tier1 + (index >> 6)] << (WORD - (np.uint64(index) & WORD))
    if bits == ZERO:
        index = (index >> 6) - 1
        word = book.state.tier2 + (index >> 6)
        bits = book.bitmap[word] << (WORD - (np.uint64(index) & WORD))
        while bits == ZERO:
            word -= 1
            index = ((word - book.state.tier2) << 6) + 63
            bits = book.bitmap[word]
        index = ((index - int64(leading_zeros(bits))) << 6) + 63
        bits = book.bitmap[book.state.tier1 + (index >> 6)]
    index = ((index - int64(leading_zeros(bits))) << 6) + 63
    return index - int64(leading_zeros(book.bitmap[index >> 6]))
