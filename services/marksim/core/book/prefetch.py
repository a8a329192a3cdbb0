"""Asks memory for what the next commands of a batch will look at, while the present one is done.

In a large book nearly every look is at a line of memory that no cache has; of a batch it is known beforehand which.
"""

from typing import Any, Final

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from marksim.core.book.compiled import INTERPRETED, compiled
from marksim.core.book.names import SLOT, hash_of
from marksim.core.book.queues import own_index
from marksim.core.book.words import NEW, Book, Index, Row, Table, int64

LARGE: Final = 20_000
"""In books of fewer slots than that, which the nearer caches hold, asking costs more than it saves."""
FAR: Final = 12
"""So many commands ahead the map of names is asked for, then the order that it names, then that order's neighbours."""
NEAR: Final = 6
NEXT: Final = 2


def _fetch(_typing: Any, array: Any, _index: Any) -> Any:
    """A prefetch instruction for array[index], which is within the array."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array_type = signature.args[0]
        pointer = context.make_array(array_type)(context, builder, arguments[0]).data
        at = builder.gep(pointer, [arguments[1]])
        byte = ir.IntType(8).as_pointer()
        word = ir.IntType(32)
        shape = ir.FunctionType(ir.VoidType(), [byte, word, word, word])
        declared = cgutils.get_or_insert_function(builder.module, shape, "llvm.prefetch.p0i8")  # type: ignore[no-untyped-call]
        # To be written, kept in all caches, data.
        builder.call(declared, [builder.bitcast(at, byte), word(1), word(3), word(1)])
        return context.get_dummy_value()

    return types.void(array, types.int64), generate


fetch: Any = intrinsic(_fetch)

if INTERPRETED:
    fetch = lambda *_: None  # noqa: E731


@compiled
def home_of(book: Book, command: Row) -> Index:
    """Where the map has the order that a command makes or means."""
    serial = int64(command.serial if command.kind == NEW else command.target_serial)
    return hash_of(command.account, serial) & (len(book.names) - 1)


@compiled
def look_ahead(book: Book, commands: Table, done: int) -> None:
    """Ask for what the commands behind the present one need, each a step further."""
    if done + FAR < len(commands):
        fetch(book.names, home_of(book, commands[done + FAR]))
    if done + NEAR < len(commands):
        command = commands[done + NEAR]
        if command.kind == NEW:
            fetch(book.levels, level_of(book, command))
        else:
            fetch(book.orders, int64(book.names[home_of(book, command)]) & SLOT)
    if done + NEXT < len(commands):
        command = commands[done + NEXT]
        if command.kind == NEW:
            fetch(book.orders, int64(book.levels[level_of(book, command)].tail))
        else:
            order = book.orders[int64(book.names[home_of(book, command)]) & SLOT]
            fetch(book.levels, int64(order.level))
            fetch(book.orders, int64(order.previous))
            fetch(book.orders, int64(order.next))


@compiled
def level_of(book: Book, command: Row) -> Index:
    """Where a new order may come to rest; the first level of all where its price is none of the book's."""
    index = own_index(book, int64(command.side), command.price_ticks)
    return index if 0 <= index < len(book.levels) else int64(0)
