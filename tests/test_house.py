"""Style that can be checked is checked: sizes, one source of numbers, locks that work everywhere, tests that do not wait."""

import ast
import importlib.util
import re
import subprocess
import sys
from collections.abc import Iterator
from enum import IntEnum
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from google.protobuf.descriptor import Descriptor, EnumDescriptor

from marksim.core import types
from marksim.v1 import types_pb2

ROOT = Path(__file__).resolve().parent.parent
GENERATED = ROOT / "services" / "marksim" / "v1"
MAX_FILE_LINES = 600
MAX_FUNCTION_LINES = 75


def sources(*folders: str) -> Iterator[Path]:
    for folder in folders:
        yield from (path for path in sorted((ROOT / folder).rglob("*.py")) if GENERATED not in path.parents)


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    tree = ast.parse(path.read_text())
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def lines_of(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_no_file_is_longer_than_it_can_be_read() -> None:
    """No source or test file has more than 600 lines."""
    counted = {name_of(path): len(path.read_text().splitlines()) for path in sources("services", "tests", "bench", "tools")}
    assert {name: count for name, count in counted.items() if count > MAX_FILE_LINES} == {}


def test_no_function_is_longer_than_a_screen() -> None:
    """No function has more than 75 lines, decorators aside."""
    long = [
        f"{name_of(path)}:{node.lineno} {node.name} {lines_of(node)}"
        for path in sources("services", "tests", "bench", "tools")
        for node in functions(path)
        if lines_of(node) > MAX_FUNCTION_LINES
    ]
    assert long == []


def test_every_test_says_what_must_hold() -> None:
    """Each test function has a docstring that states the behaviour."""
    silent = [
        f"{name_of(path)}:{node.lineno} {node.name}"
        for path in sources("tests")
        for node in functions(path)
        if node.name.startswith("test_") and ast.get_docstring(node) is None
    ]
    assert silent == []


def test_no_test_sleeps_or_is_skipped() -> None:
    """No test calls time.sleep, and none is skipped or expected to fail."""
    forbidden = re.compile(
        r"\btime\.sleep\(|\bfrom time import .*\bsleep\b|pytest\.mark\.(skip|xfail)\b|pytest\.(skip|xfail)\("
    )
    found = [
        f"{name_of(path)}:{number}"
        for path in sources("tests")
        if path != Path(__file__).resolve()
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if forbidden.search(line)
    ]
    assert found == []


def test_no_test_waits_a_while_and_hopes() -> None:
    """An asyncio.sleep of a fixed time stands only in a loop that looks for something."""
    found = []
    for path in sources("tests"):
        tree = ast.parse(path.read_text())
        loops = (node for node in ast.walk(tree) if isinstance(node, ast.While | ast.For | ast.AsyncFor))
        looking = {id(inside) for loop in loops for inside in ast.walk(loop)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "asyncio.sleep" and id(node) not in looking:
                (wait,) = node.args
                if isinstance(wait, ast.Constant) and wait.value:
                    found.append(f"{name_of(path)}:{node.lineno}")
    assert found == []


@pytest.mark.parametrize(
    "descriptor", types_pb2.DESCRIPTOR.enum_types_by_name.values(), ids=lambda descriptor: descriptor.name
)
def test_enums_carry_the_numbers_of_the_contract(descriptor: EnumDescriptor) -> None:
    """Each enum of types.proto stands in core.types with the same names and numbers."""
    prefix = re.sub(r"(?<!^)(?=[A-Z])", "_", descriptor.name).upper() + "_"
    twin: type[IntEnum] = getattr(types, descriptor.name)
    assert {prefix + member.name: member.value for member in twin} == {
        value.name: value.number for value in descriptor.values
    }


@pytest.mark.parametrize(
    ("dtype", "descriptor"),
    [
        pytest.param(types.COMMAND, types_pb2.CommandColumns.DESCRIPTOR, id="commands"),
        pytest.param(types.EXECUTION, types_pb2.ExecutionColumns.DESCRIPTOR, id="executions"),
        pytest.param(types.TRADE, types_pb2.TradeColumns.DESCRIPTOR, id="trades"),
        pytest.param(types.QUOTE, types_pb2.QuoteColumns.DESCRIPTOR, id="quotes"),
        pytest.param(types.DEPTH, types_pb2.DepthColumns.DESCRIPTOR, id="depth"),
    ],
)
def test_records_have_the_columns_of_the_contract(dtype: np.dtype[np.void], descriptor: Descriptor) -> None:
    """Each record dtype has one field a column, by the same name, and neither has one more."""
    assert set(dtype.names or ()) == set(descriptor.fields_by_name) - {"count"}


def test_records_have_the_widths_that_the_contract_states() -> None:
    """A column that types.proto calls int64 is <i8 in the record, one it calls uint8 is <u1."""
    proto = (ROOT / "proto/marksim/v1/types.proto").read_text()
    widths = {"int64": "<i8", "uint8": "|u1"}
    for message, dtype in [
        ("CommandColumns", types.COMMAND),
        ("ExecutionColumns", types.EXECUTION),
        ("DepthColumns", types.DEPTH),
    ]:
        body = proto.split(f"message {message} {{")[1].split("\n}")[0]
        stated = {name: widths[width] for width, name in re.findall(r"// (u?int\d+)[:.][^;]*?bytes (\w+) =", body)}
        assert stated, message
        assert {name: dtype[name].str for name in stated} == stated


def test_locks_hold_what_the_project_asks_for_and_name_no_registry() -> None:
    """The lock files are in step with pyproject.toml and work with whatever registry the reader has."""
    assert load(ROOT / "tools" / "lock.py").complaints() == []


def test_no_tracked_text_holds_a_path_of_the_machine_it_was_made_on() -> None:
    """Nothing in services, docs, tests, tools or deploy points into a home or work folder."""
    folders = ("services", "docs", "tests", "bench", "tools", "examples", "proto", "deploy", ".ci")
    files = [ROOT / name for name in ("README.md", "Makefile", "pyproject.toml", "CONTRIBUTING.md", "CHANGELOG.md")]
    files += [
        path
        for folder in folders
        for path in (ROOT / folder).rglob("*")
        if path.suffix in {".py", ".md", ".js", ".json", ".sh", ".yaml"}
    ]
    private = re.compile("/" + r"(?:root|work|home/\w+)/")
    assert [name_of(path) for path in files if private.search(path.read_text())] == []


def test_importing_the_package_starts_nothing() -> None:
    """`import marksim` loads neither gRPC nor the dashboard: a library user pays for what he uses."""
    code = "import sys, marksim; sys.exit(any(name in sys.modules for name in ('grpc', 'dash')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
