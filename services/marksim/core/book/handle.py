"""How kernels get at a book's memory: by one address, that of its counters, in which those of all other arrays stand.

Of a tuple of arrays every call would copy seventy words, and every call from Python take a dozen objects apart. So to Numba
a Book is a type of its own: a pointer, whose attributes are arrays as all others, bounds included.
"""

import ctypes
from typing import Any, Final

import numpy as np
from llvmlite import ir
from numba import types
from numba.core.datamodel import models
from numba.core.extending import register_model
from numba.core.typing.templates import AttributeTemplate
from numba.extending import infer_getattr, intrinsic, lower_getattr_generic
from numba.np import arrayobj
from numba.np.numpy_support import from_dtype

from marksim.core.book.compiled import INTERPRETED
from marksim.core.book.state import ARRAYS, COUNTERS
from marksim.core.book.words import Book, Table


class BookType(types.Type):
    """What compiled code knows a Book as."""

    def __init__(self) -> None:
        super().__init__(name="marksim.Book")


BOOK: Final = BookType()
_record: Any = from_dtype
STATE: Final = _record(COUNTERS)
TYPES: Final = {name: types.Array(_record(dtype), 1, "C") for name, dtype in ARRAYS.items()}


@register_model(BookType)
class _Model(models.OpaqueModel):
    """A pointer."""


@infer_getattr
class _Attributes(AttributeTemplate):
    key = BookType

    def generic_resolve(self, _book: Any, name: str) -> Any:  # type: ignore[override]  # as all of Numba's own do
        return STATE if name == "state" else TYPES.get(name)


@lower_getattr_generic(BookType)  # type: ignore[no-untyped-call]
def _attribute(context: Any, builder: Any, _type: Any, book: Any, name: str) -> Any:
    """Instructions for book.<name>."""
    if name == "state":
        return builder.bitcast(book, context.get_value_type(STATE))
    array_type = TYPES[name]
    array = context.make_array(array_type)(context, builder)
    arrayobj.populate_array(  # type: ignore[no-untyped-call]
        array,
        data=builder.inttoptr(_load(builder, book, f"{name}_address"), array.data.type),
        shape=[_load(builder, book, f"{name}_length")],
        strides=[context.get_constant(types.intp, ARRAYS[name].itemsize)],
        itemsize=context.get_constant(types.intp, ARRAYS[name].itemsize),
        meminfo=None,
    )
    return array._getvalue()  # noqa: SLF001  as in all of Numba


def _load(builder: Any, book: Any, name: str) -> Any:
    """Instructions for a counter that does not change while a kernel runs, so that it is read once."""
    word = ir.IntType(64)
    fields: Any = COUNTERS.fields
    at = builder.gep(book, [word(fields[name][1])])
    loaded = builder.load(builder.bitcast(at, word.as_pointer()))
    loaded.set_metadata("invariant.load", builder.module.add_metadata([]))
    return loaded


def _as_book(_typing: Any, counters: Any) -> Any:
    """The book that has these counters."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        return builder.bitcast(data, context.get_value_type(BOOK))

    return BOOK(counters), generate


def _interpreted(counters: Table) -> Book:
    """The same of arrays whose records have attributes."""
    arrays: dict[str, Any] = {}
    for name, dtype in ARRAYS.items():
        length = int(counters[f"{name}_length"][0])
        memory: Any = (ctypes.c_char * (length * dtype.itemsize)).from_address(int(counters[f"{name}_address"][0]))
        arrays[name] = np.frombuffer(memory, dtype)
        if dtype.names is not None:
            arrays[name] = arrays[name].view(np.recarray)
    return Book(state=counters[0], **arrays)


as_book: Any = _interpreted if INTERPRETED else intrinsic(_as_book)
