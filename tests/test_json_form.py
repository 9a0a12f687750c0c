"""The JSON form of frozen dataclasses: strict when it is read, whatever the JSON holds."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from olmoe_viz import json_form
from olmoe_viz.policy import RoutingPolicy
from tests.strategies import json_values


@dataclass(frozen=True)
class Inner:
    name: str
    sizes: tuple[int, ...] = ()


@dataclass(frozen=True)
class Everything:
    number: float
    whole: int
    flag: bool
    choice: Literal["one", "two"]
    raw: bytes
    policy: RoutingPolicy
    pair: tuple[int, str]
    either: str | tuple[int, ...]
    perhaps: Inner | None
    versions: Mapping[str, str]
    inner: Inner = Inner("of default")
    rows: tuple[tuple[Inner, ...], ...] = field(default_factory=tuple)


VALUE = Everything(
    number=0.1,
    whole=2**63 - 1,
    flag=True,
    choice="two",
    raw=b"\0\xff",
    policy=RoutingPolicy(8, threshold=0.03),
    pair=(1, "a"),
    either=(1, 2),
    perhaps=None,
    versions={"torch": "2"},
    rows=((Inner("x", (1,)), Inner("y")), ()),
)
WRITTEN = {
    "number": 0.1,
    "whole": 2**63 - 1,
    "flag": True,
    "choice": "two",
    "raw": "00ff",
    "policy": "k=8,p>=0.03",
    "pair": [1, "a"],
    "either": [1, 2],
    "perhaps": None,
    "versions": {"torch": "2"},
    "inner": {"name": "of default", "sizes": []},
    "rows": [[{"name": "x", "sizes": [1]}, {"name": "y", "sizes": []}], []],
}
REFUSAL = r"missing or damaged|incomplete or has unknown|Not a routing policy|at least 1"


def test_everything_is_written_as_json_and_read_back():
    assert json_form.encode(VALUE) == WRITTEN
    assert json_form.decode(Everything, json.loads(json.dumps(WRITTEN))) == VALUE


def test_fields_may_be_left_out_by_name():
    kept = WRITTEN.keys() - {"raw", "pair"}
    written = json_form.encode_fields(VALUE, without=("raw", "pair"))
    assert written == {name: WRITTEN[name] for name in kept}
    read = json_form.decode_fields(Everything, written, without=("raw", "pair"))
    assert read == {name: getattr(VALUE, name) for name in kept}
    with pytest.raises(ValueError, match="unknown fields"):
        json_form.decode_fields(Everything, WRITTEN, without=("raw",))


def test_a_field_with_a_default_may_be_missing_and_no_other():
    shorter = {name: value for name, value in WRITTEN.items() if name not in ("inner", "rows")}
    read = json_form.decode(Everything, shorter)
    assert (read.inner, read.rows) == (Inner("of default"), ())
    for name in shorter:
        less = {other: value for other, value in shorter.items() if other != name}
        with pytest.raises(ValueError, match=f"{name} is missing or damaged"):
            json_form.decode(Everything, less)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("number", ["1", None, True, [], float("nan"), float("inf"), 10**400, 2**63]),
        ("whole", ["1", None, True, 1.0, 2**63, -(2**63) - 1, 10**4000]),
        ("flag", [0, 1, "true", None]),
        ("choice", ["three", 1, None, [], {}, ["one"]]),
        ("raw", ["0", "zz", 5, None, [0], "é"]),
        ("policy", ["", "k=0", 8, None, ["k=8"], {"k": 8}]),
        ("pair", [[1], [1, "a", 2], ["a", 1], "1a", None, {"0": 1}]),
        ("either", [1, None, ["a"], [[1]], [2**63], {}]),
        ("perhaps", [0, False, {}, {"name": 1}, {"name": "x", "more": 1}, []]),
        ("versions", [[], None, {"a": 1}, {"a": None}, {"a": {}}]),
        ("inner", [None, [], "x", {"name": "x", "sizes": [1.0]}]),
        ("rows", [None, [None], [[None]], {}, [{"name": "x"}]]),
    ],
)
def test_a_value_of_another_type_is_refused(name: str, values: list[object]):
    for value in values:
        with pytest.raises(ValueError, match=REFUSAL):
            json_form.decode(Everything, WRITTEN | {name: value})


def test_a_whole_number_will_do_where_any_number_does():
    read = json_form.decode(Everything, WRITTEN | {"number": 3})
    assert read.number == 3.0
    assert isinstance(read.number, float)


@pytest.mark.parametrize("value", [None, 1, "x", [], [["number", 1]], {}, {"more": 1}])
def test_what_is_no_object_of_these_fields_is_refused(value: object):
    with pytest.raises(ValueError, match=REFUSAL):
        json_form.decode(Everything, value)


@given(st.sampled_from(sorted(WRITTEN)), json_values)
def test_any_json_is_read_or_is_a_value_error(name: str, value: object):
    try:
        read = json_form.decode(Everything, WRITTEN | {name: value})
    except ValueError:
        return
    again = json_form.decode(Everything, json.loads(json.dumps(json_form.encode(read))))
    assert again == read


@pytest.mark.parametrize("value", [object(), 1j, {1, 2}, [1]])
def test_other_types_have_no_json_form(value: object):
    with pytest.raises(TypeError, match="has no JSON form"):
        json_form.encode((value,))
