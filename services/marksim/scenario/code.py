"""Agents that a user writes: where their code is, its hash, and the function or class, imported only where agents run."""

import ast
import functools
import hashlib
import importlib
import importlib.util
import inspect
import re
import sys
import traceback
from dataclasses import dataclass, is_dataclass
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any, Final, get_type_hints

from marksim.core.agents import AgentFunction
from marksim.core.agents.restorable import METHODS, Restorable, is_restorable
from marksim.core.errors import InvalidInput

MAX_SOURCE_BYTES: Final = 4 << 20
_MODULE: Final = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")


@dataclass(frozen=True, slots=True)
class UserFunction:
    """An agent that a user wrote, a function or a restorable class, and the dataclass of its parameters; None where it takes
    none.
    """

    run: AgentFunction
    parameters: type[Any] | None


@dataclass(frozen=True, slots=True)
class Code:
    """A function or class in a file of Python, as it was read; `module` is empty for a file that is named by its path."""

    path: str
    module: str
    function: str
    source: bytes

    @property
    def sha256(self) -> str:
        """Of the file, hex. What the file imports is not in it."""
        return hashlib.sha256(self.source).hexdigest()

    @property
    def name(self) -> str:
        """For people: the file or module, and the function or class."""
        return f"{self.module or Path(self.path).name}:{self.function}"


def is_reference(text: str) -> bool:
    """Whether an agent's type names code instead of a type of the package."""
    return ":" in text


def is_file_reference(text: str) -> bool:
    """Whether the code is named by the path of its file."""
    return is_reference(text) and text.rpartition(":")[0].endswith(".py")


def read_code(reference: str) -> Code:
    """Find and read `file.py:function` or `package.module:function`, or those of a class, and run nothing of it.

    Raises InvalidInput with a sentence.
    """
    place, _, function = reference.rpartition(":")
    if not place or not function.isidentifier():
        raise InvalidInput(f"must be a type, file.py:function or package.module:function, not {reference!r}")
    if place.endswith(".py"):
        return Code(place, "", function, _read(Path(place)))
    if not _MODULE.fullmatch(place):
        raise InvalidInput(f"must be file.py:function or package.module:function, not {reference!r}")
    path = _source_of(place)
    return Code(str(path), place, function, _read(path))


def import_function(code: Code) -> UserFunction:
    """Run the user's file and take the agent's function or class from it. Raises InvalidInput with file and line."""
    module = _import_module(code)
    function = getattr(module, code.function, None)
    if function is None:
        names = [name for name, value in vars(module).items() if inspect.iscoroutinefunction(value)]
        known = f"; its async functions are {', '.join(names)}" if names else ""
        raise InvalidInput(f"{code.path}: there is no {code.function}{known}")
    if is_restorable(function):
        _check_class(code, function)
        wanted = "`__init__(self, market)` or `(self, market, parameters: SomeDataclass)`"
        return UserFunction(function, _parameters_of(code, function, f"{code.function} must have {wanted}"))
    if not callable(function):
        raise InvalidInput(f"{code.path}: {code.function} is not a function, but {type(function).__name__}")
    if not inspect.iscoroutinefunction(function):
        line = _line_of(code, function)
        raise InvalidInput(f"{code.path}:{line}: {code.function} must be `async def {code.function}(market)`")
    wanted = f"`async def {code.function}(market)` or `(market, parameters: SomeDataclass)`"
    return UserFunction(function, _parameters_of(code, function, f"{code.function} must be {wanted}"))


def _read(path: Path) -> bytes:
    if not path.is_file():
        raise InvalidInput(f"there is no file {path}")
    try:
        with path.open("rb") as file:
            source = file.read(MAX_SOURCE_BYTES + 1)
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}") from None
    if len(source) > MAX_SOURCE_BYTES:
        raise InvalidInput(f"{path} has more than {MAX_SOURCE_BYTES} bytes")
    return source


def _source_of(module: str) -> Path:
    """The file of a module, found without running its packages: `importlib.util.find_spec` would import the parents."""
    place, spec = None, None
    parts = module.split(".")
    for depth in range(len(parts)):
        spec = _find(".".join(parts[: depth + 1]), place)
        if spec is None:
            break
        place = None if spec.submodule_search_locations is None else list(spec.submodule_search_locations)
        if place is None and depth < len(parts) - 1:
            spec = None
            break
    if spec is None:
        raise InvalidInput(f"there is no module {module}; install it, or name its folder in PYTHONPATH")
    if spec.origin is None or not spec.origin.endswith(".py"):
        raise InvalidInput(f"module {module} has no Python source, which the scenario's hash needs")
    return Path(spec.origin)


def _find(name: str, place: list[str] | None) -> ModuleSpec | None:
    for finder in sys.meta_path:
        if (spec := finder.find_spec(name, place)) is not None:
            return spec
    return None


def _import_module(code: Code) -> ModuleType:
    try:
        return importlib.import_module(code.module) if code.module else _run_file(code.path, code.source)
    except SyntaxError as error:
        raise InvalidInput(f"{error.filename or code.path}:{error.lineno}: is not valid Python: {error.msg}") from None
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - a user's mistake of any kind, SystemExit too, is told in one sentence
        frames = [one for one in traceback.extract_tb(error.__traceback__) if one.filename == code.path]
        place = f"{code.path}:{frames[-1].lineno}" if frames else code.path
        said = " ".join(str(error).split())
        raise InvalidInput(f"{place}: raises {type(error).__name__} when imported{': ' if said else ''}{said}") from None


@functools.lru_cache(maxsize=1_024)
def _run_file(path: str, source: bytes) -> ModuleType:
    """The same text is run once, so that all functions of a file share its globals."""
    name = f"marksim_user_{Path(path).stem}_{hashlib.sha256(path.encode() + source).hexdigest()[:16]}"
    module = ModuleType(name)
    module.__file__ = path
    sys.modules[name] = module  # where dataclasses look up their annotations
    try:
        exec(compile(source, path, "exec"), vars(module))  # noqa: S102 - running the user's agents is what was asked for
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _check_class(code: Code, agent: type[Restorable]) -> None:
    """Raise InvalidInput where a class has not all that an agent which is restored must have."""
    signatures = {"run": "async def run(self)", "state": "def state(self)", "restore": "def restore(self, state)"}
    # What is taken over from the Protocol does nothing.
    own = {name: getattr(agent, name, None) for name in METHODS}
    missing = [signatures[name] for name, method in own.items() if method in {None, getattr(Restorable, name)}]
    said = f"{code.path}:{_line_of(code, agent)}: {code.function} is a class, and must have"
    if missing:
        raise InvalidInput(f"{said} {', '.join(f'`{one}`' for one in missing)}: an agent without a state is an `async def`")
    for name, method in own.items():
        if not callable(method) or inspect.iscoroutinefunction(method) != (name == "run"):
            raise InvalidInput(f"{said} {name} as `{signatures[name]}`")


def _parameters_of(code: Code, function: AgentFunction, said: str) -> type[Any] | None:
    """The dataclass of an agent's parameters. `said` is what its signature must be, for the errors."""
    line = _line_of(code, function)
    taken = _signature(code, function, said)
    positional = [one for one in taken if one.kind in {one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD}]
    needed = [one for one in taken if one.default is one.empty and one.kind not in {one.VAR_POSITIONAL, one.VAR_KEYWORD}]
    if not positional or len(needed) > 2 or any(one not in positional[:2] for one in needed):
        raise InvalidInput(f"{code.path}:{line}: {said}")
    if len(needed) == 1 and (len(positional) == 1 or positional[1].annotation is positional[1].empty):
        return None
    annotation = _annotation_of(code, function, positional[1].name)
    if not (isinstance(annotation, type) and is_dataclass(annotation)):
        raise InvalidInput(f"{code.path}:{line}: the annotation of {positional[1].name} must be a dataclass: {said}")
    return annotation


def _signature(code: Code, function: AgentFunction, said: str) -> list[inspect.Parameter]:
    try:
        return list(inspect.signature(function).parameters.values())
    except ValueError:  # of a class whose maker is not written in Python
        raise InvalidInput(f"{code.path}:{_line_of(code, function)}: {said}") from None


def _annotation_of(code: Code, function: AgentFunction, parameter: str) -> Any:
    """Of that parameter alone: the market's may be a name that only a type checker imports."""

    def probe() -> None: ...

    taker: Any = function.__init__ if is_restorable(function) else function
    probe.__annotations__ = {parameter: inspect.get_annotations(taker).get(parameter)}
    try:
        return get_type_hints(probe, globalns=getattr(inspect.unwrap(taker), "__globals__", {}))[parameter]
    except Exception as error:  # noqa: BLE001 - an annotation is an expression of the user's
        line = _line_of(code, function)
        raise InvalidInput(f"{code.path}:{line}: the annotation of {parameter} cannot be resolved: {error}") from None


def _line_of(code: Code, function: Any) -> int:
    if inspect.isclass(function):
        classes = (node for node in ast.parse(code.source).body if isinstance(node, ast.ClassDef))
        return next((node.lineno for node in classes if node.name == function.__name__), 1)
    line: int = getattr(getattr(inspect.unwrap(function), "__code__", None), "co_firstlineno", 1)
    return line
