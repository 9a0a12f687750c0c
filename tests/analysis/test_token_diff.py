"""Divergence, diffs and repetition on small cases with known answers."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from olmoe_viz.analysis.token_diff import (
    first_difference,
    repetition_rate,
    shared_prefix,
    token_diff,
)

ROOT = Path(__file__).parent.parent.parent
TOKENS = st.lists(st.integers(0, 3), max_size=12)


@pytest.mark.parametrize(
    ("a", "b", "shared", "place"),
    [
        ([1, 2, 3], [1, 2, 3], 3, None),
        ([1, 2, 3], [1, 9, 3], 1, 1),
        ([1, 2], [1, 2, 3], 2, 2),
        ([7], [8], 0, 0),
        ([], [5], 0, 0),
        ([], [], 0, None),
    ],
)
def test_where_two_texts_part(a: list[int], b: list[int], shared: int, place: int | None):
    assert shared_prefix(a, b) == shared_prefix(np.array(b, dtype=np.int64), a) == shared
    assert first_difference([a, b]) == place


def test_where_several_texts_part():
    assert first_difference([[1, 2, 3], [1, 2, 4], [1, 2, 3]]) == 2
    assert first_difference([[1, 2, 3], [1, 2], [1, 2]]) == 2
    assert first_difference([[1, 2]]) is None
    assert first_difference([]) is None


def test_a_diff_of_each_kind():
    assert token_diff([1, 2, 3, 4, 5], [1, 9, 3, 5, 6]) == [
        ("same", slice(0, 1), slice(0, 1)),
        ("replace", slice(1, 2), slice(1, 2)),
        ("same", slice(2, 3), slice(2, 3)),
        ("delete", slice(3, 4), slice(3, 3)),
        ("same", slice(4, 5), slice(3, 4)),
        ("insert", slice(5, 5), slice(4, 5)),
    ]
    assert token_diff([], []) == []


@given(TOKENS, TOKENS)
def test_a_diff_turns_one_text_into_the_other(a: list[int], b: list[int]):
    steps = token_diff(a, b)
    assert [token for _, part, _ in steps for token in a[part]] == a
    assert [token for _, _, part in steps for token in b[part]] == b
    for change, in_a, in_b in steps:
        assert (a[in_a] == b[in_b]) == (change == "same")
        assert (change == "insert") == (in_a.start == in_a.stop)
        assert (change == "delete") == (in_b.start == in_b.stop)


def test_a_diff_of_a_long_text_still_sees_frequent_tokens():
    """Python's difflib would by itself drop tokens that are frequent in a long text."""
    assert token_diff([1] + [5] * 300, [5] * 300) == [
        ("delete", slice(0, 1), slice(0, 0)),
        ("same", slice(1, 301), slice(0, 300)),
    ]


@pytest.mark.parametrize(
    ("ids", "n", "rate"),
    [
        ([1, 2, 3, 4, 5], 4, 0.0),
        ([1, 2, 1, 2, 1, 2], 2, 3 / 5),  # 12 21 12 21 12: the last three occurred before
        ([7] * 8, 4, 4 / 5),
        ([7] * 3, 4, 0.0),
        ([], 4, 0.0),
        ([1, 1], 1, 0.5),
    ],
)
def test_repetition(ids: list[int], n: int, rate: float):
    assert repetition_rate(ids, n) == pytest.approx(rate)


def test_no_analysis_loads_torch():
    files = (ROOT / "olmoe_viz" / "analysis").glob("[!_]*.py")
    modules = sorted(f"olmoe_viz.analysis.{file.stem}" for file in files)
    assert "olmoe_viz.analysis.tradeoff" in modules
    script = f"import sys, {', '.join(modules)}\nsys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=False).returncode == 0
