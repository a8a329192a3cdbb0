"""How kernels get at memory: by one address, that of a record of counters, in which those of all other arrays stand.

Of a tuple of arrays every call would copy seventy words, and every call from Python take a dozen objects apart. So to Numba
what has such a memory is a type of its own: a pointer, whose attributes are arrays as all others, bounds included. The order
book has one; so has whatever else runs in compiled code (`handle`).
"""

import ctypes
from collections.abc import Callable, Mapping
from types import SimpleNamespace
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

Dtypes = Mapping[str, np.dtype[Any]]
_record: Any = from_dtype


def handle(name: str, counters: np.dtype[np.void], arrays: Dtypes, make: Callable[..., Any]) -> tuple[Any, Any]:
    """Functions that give the handle of that memory: from its array of counters, and from the address of that array.

    `counters` has two integers for each of `arrays`, `<name>_address` and `<name>_length`. The handle's attribute `state` is
    the record of the counters, and each array is one more; with compilation off it is what `make` makes of all of them.
    """
    if INTERPRETED:
        return _interpreted(counters, arrays, make)
    type_ = _type(name, counters, arrays)

    def of(_typing: Any, table: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
            return builder.bitcast(data, context.get_value_type(type_))

        return type_(table), generate

    def at(_typing: Any, address: Any) -> Any:
        def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            return builder.inttoptr(arguments[0], context.get_value_type(type_))

        return type_(address), generate

    return intrinsic(of), intrinsic(at)


def _type(name: str, counters: np.dtype[np.void], arrays: Dtypes) -> types.Type:
    """What compiled code knows the handle as: a pointer, whose attributes are made when they are asked for."""
    state = _record(counters)
    tables = {key: types.Array(_record(dtype), 1, "C") for key, dtype in arrays.items()}
    fields: Any = counters.fields
    handle_type = type(f"{name}Type", (types.Type,), {})

    @register_model(handle_type)
    class _Model(models.OpaqueModel):
        """A pointer."""

    @infer_getattr
    class _Attributes(AttributeTemplate):
        key = handle_type

        def generic_resolve(self, _handle: Any, attribute: str) -> Any:  # type: ignore[override]  # as all of Numba's own do
            return state if attribute == "state" else tables.get(attribute)

    def load(builder: Any, pointer: Any, field: str) -> Any:
        """Instructions for a counter that does not change while a kernel runs, so that it is read once."""
        word = ir.IntType(64)
        at = builder.gep(pointer, [word(fields[field][1])])
        loaded = builder.load(builder.bitcast(at, word.as_pointer()))
        loaded.set_metadata("invariant.load", builder.module.add_metadata([]))
        return loaded

    @lower_getattr_generic(handle_type)  # type: ignore[no-untyped-call]
    def _attribute(context: Any, builder: Any, _type: Any, pointer: Any, attribute: str) -> Any:
        """Instructions for handle.<attribute>."""
        if attribute == "state":
            return builder.bitcast(pointer, context.get_value_type(state))
        array_type, itemsize = tables[attribute], context.get_constant(types.intp, arrays[attribute].itemsize)
        array = context.make_array(array_type)(context, builder)
        arrayobj.populate_array(  # type: ignore[no-untyped-call]
            array,
            data=builder.inttoptr(load(builder, pointer, f"{attribute}_address"), array.data.type),
            shape=[load(builder, pointer, f"{attribute}_length")],
            strides=[itemsize],
            itemsize=itemsize,
            meminfo=None,
        )
        return array._getvalue()  # noqa: SLF001  as in all of Numba

    made: types.Type = handle_type(name=f"marksim.{name}")
    return made


def _interpreted(counters: np.dtype[np.void], arrays: Dtypes, make: Callable[..., Any]) -> tuple[Any, Any]:
    """The same of arrays whose records have attributes."""

    def of(table: Table) -> Any:
        views: dict[str, Any] = {}
        for name, dtype in arrays.items():
            length = int(table[f"{name}_length"][0])
            memory: Any = (ctypes.c_char * (length * dtype.itemsize)).from_address(int(table[f"{name}_address"][0]))
            views[name] = np.frombuffer(memory, dtype)
            if dtype.names is not None:
                views[name] = views[name].view(np.recarray)
        return make(state=table[0], **views)

    def at(address: int) -> Any:
        memory: Any = (ctypes.c_char * counters.itemsize).from_address(int(address))
        return of(np.frombuffer(memory, counters).view(np.recarray))

    return of, at


def plain_handle(**attributes: Any) -> Any:
    """What a handle is with compilation off, where no other type is wanted."""
    return SimpleNamespace(**attributes)


_functions = handle("Book", COUNTERS, ARRAYS, Book)
as_book: Final[Any] = _functions[0]
book_at: Final[Any] = _functions[1]
