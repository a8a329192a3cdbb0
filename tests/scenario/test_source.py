"""YAML that remembers where each entry stands."""

from typing import Any

import pytest

from marksim.core.errors import InvalidInput
from marksim.scenario.source import Origin, append, flag_below, merge, origin_of, read_yaml

TEXT = """a: 1
b:
  c:
    - x
    - y: 2
"""


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("a",), 1),
        (("b", "c"), 3),
        (("b", "c", 0), 4),
        (("b", "c", 1, "y"), 5),
        (("b", "c", 1, "missing"), 5),
        (("b", "c", 7), 3),
        (("b", "nothing", "below"), 2),
        (("a", "b"), 1),
        ((), 1),
    ],
)
def test_a_path_leads_to_a_line(path: tuple[int | str, ...], line: int) -> None:
    """Where an entry is missing, to the nearest one above it."""
    assert str(origin_of(read_yaml(TEXT, "f.yaml"), path)) == f"f.yaml:{line}"


def test_merged_files_keep_their_own_lines() -> None:
    """Mappings are merged key by key, all else is replaced."""
    merged = merge(read_yaml(TEXT, "base.yaml"), read_yaml("\nb: {d: 3, c: [z]}", "over.yaml"))
    assert merged == {"a": 1, "b": {"c": ["z"], "d": 3}}
    assert [str(origin_of(merged, path)) for path in (("a",), ("b", "d"), ("b", "c", 0))] == [
        "base.yaml:1",
        "over.yaml:2",
        "over.yaml:2",
    ]


def test_joined_lists_keep_their_own_lines() -> None:
    """Also where there was none before."""
    more = read_yaml("- 3", "more.yaml")
    joined = append(read_yaml("- 1\n- 2", "first.yaml"), more)
    assert joined == [1, 2, 3]
    assert [str(origin) for origin in joined.origins] == ["first.yaml:1", "first.yaml:2", "more.yaml:1"]
    assert append(None, more) == [3]


def test_what_a_flag_gave_is_found_below() -> None:
    """In any depth; files have lines and flags have none."""
    content = read_yaml(TEXT, "f.yaml")
    assert flag_below(content) is None
    content["b"]["c"].append(read_yaml("{k: 1}", "", Origin("--set x")))
    assert str(flag_below(content)) == "--set x"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\na: 2", "f.yaml:2: is not valid YAML: a stands in line 1 already"),
        ("x:\n  - {k: 1, k: 1}", "f.yaml:2: is not valid YAML: k stands in line 2 already"),
        ("a: [1", "f.yaml:1: is not valid YAML: expected ',' or ']'"),
        ("ok: 1\nat: 2025-02-30", "f.yaml:2: is not valid YAML: day is out of range for month"),
        ("a: !!python/object:os.system {}", "f.yaml:1: is not valid YAML: !!python/object:os.system is not used here"),
        ("a: !!binary aGk=", "f.yaml:1: is not valid YAML: !!binary is not used here"),
        ("a: &x [*x]", "f.yaml:1: is not valid YAML: found unconstructable recursive node"),
        ("? [a, b]\n: 1", "f.yaml:1: is not valid YAML: a key must be a word"),
        ("a: \x01", "f.yaml: is not valid YAML: "),
        ("a: 1\n---\nb: 2", "f.yaml:2: is not valid YAML: but found another document"),
        ("[" * 2_000, "f.yaml: is nested too deep"),
    ],
)
def test_what_is_no_plain_yaml_is_refused_with_its_line(text: str, said: str) -> None:
    """One sentence; a key that stands twice is refused, where PyYAML would take the last."""
    with pytest.raises(InvalidInput) as caught:
        read_yaml(text, "f.yaml")
    assert caught.value.message.startswith(said)


def test_an_anchor_may_be_used_again() -> None:
    """And what is merged with `<<` may be overridden."""
    content: Any = read_yaml("base: &b {x: 1, y: 2}\nmore: {<<: *b, y: 3}", "f.yaml")
    assert content["more"] == {"x": 1, "y": 3}
