"""Router saturation on a case worked out by hand; a file is believed only when it fits."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from olmoe_viz.analysis.saturation import MAX_BYTES, load_router_checkpoints, saturation

# Two checkpoints, two layers, two tokens, two experts each, best first.
CHOICES = np.array(
    [
        [[[1, 2], [3, 4]], [[1, 2], [5, 6]]],
        [[[2, 1], [3, 5]], [[7, 8], [6, 5]]],
    ],
    dtype=np.uint8,
)
IDS = np.array([[11], [12]], dtype=np.uint16)


def write(path: Path, **parts: object) -> Path:
    values: dict[str, object] = {
        "choices": CHOICES,
        "token_ids": IDS,
        "shares": "[0.5, 1.0]",
        "domains": '["stories", "python"]',
    } | parts
    arrays = {name: value for name, value in values.items() if isinstance(value, np.ndarray)}
    texts = {name: value for name, value in values.items() if isinstance(value, str)}
    save_file({name: np.ascontiguousarray(a) for name, a in arrays.items()}, path, texts)
    return path


def test_a_case_by_hand(tmp_path: Path):
    checkpoints = load_router_checkpoints(write(tmp_path / "a"))
    assert checkpoints.shares.tolist() == [0.5, 1]
    assert checkpoints.domains == ("stories", "python")
    assert checkpoints.token_ids.tolist() == [[11], [12]]
    np.testing.assert_array_equal(checkpoints.choices, CHOICES)
    # Layer 0: both of token 0, one of two of token 1. Layer 1: none, then both.
    assert saturation(checkpoints).tolist() == [[0.75, 0.5], [1, 1]]
    assert saturation(checkpoints, 1).tolist() == [[0.5, 0], [1, 1]]


@pytest.mark.parametrize("k", [0, 3])
def test_a_k_that_was_not_recorded_is_refused(tmp_path: Path, k: int):
    checkpoints = load_router_checkpoints(write(tmp_path / "a"))
    with pytest.raises(ValueError, match=f"k must be from 1 to 2, as recorded; it is {k}"):
        saturation(checkpoints, k)


def twice() -> np.ndarray:
    choices = CHOICES.copy()
    choices[0, 1, 0] = 9
    return choices


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ({"choices": CHOICES.astype(np.int64)}, "choices is not U8 with 4 axes"),
        ({"choices": CHOICES[0]}, "choices is not U8 with 4 axes"),
        ({"choices": CHOICES[:, :, :, :0]}, "it is empty"),
        ({"choices": CHOICES[:1]}, "not as many"),
        ({"choices": CHOICES[:, :, :1]}, "not for the tokens"),
        ({"choices": CHOICES + np.uint8(56)}, "not below 64"),
        ({"choices": twice()}, "same expert twice"),
        ({"token_ids": IDS.astype(np.float32)}, "token_ids is not U16 with 2 axes"),
        ({"token_ids": None}, "other arrays"),
        ({"more": IDS}, "other arrays"),
        ({"shares": None}, "shares are missing"),
        ({"shares": "[0.5, 1.0"}, "shares are missing"),
        ({"shares": "[" * 100_000}, "shares are missing"),
        ({"shares": '["a", "b"]'}, "shares are missing"),
        ({"shares": "[0.5, 0.5]"}, "do not rise"),
        ({"shares": "[0.5, NaN]"}, "do not rise"),
        ({"shares": "[0.5, 2]"}, "do not rise"),
        ({"domains": '["stories"]'}, "not as many"),
        ({"domains": "[1, 2]"}, "domains are missing"),
    ],
)
def test_a_file_that_does_not_fit_is_refused(tmp_path: Path, parts: dict[str, object], reason: str):
    path = write(tmp_path / "odd.safetensors", **parts)
    with pytest.raises(ValueError, match=rf"^odd\.safetensors .*{reason}.*\.$"):
        load_router_checkpoints(path)


def test_a_damaged_file_is_refused(tmp_path: Path):
    path = write(tmp_path / "odd")
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match="odd is not a readable safetensors file"):
        load_router_checkpoints(path)
    path.write_bytes(json.dumps([]).encode())
    with pytest.raises(ValueError, match="odd is not a readable safetensors file"):
        load_router_checkpoints(path)
    with path.open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(ValueError, match="larger than 64 MiB"):
        load_router_checkpoints(path)


def test_the_bundled_file_tells_of_a_router_that_settles():
    checkpoints = load_router_checkpoints()
    assert len(checkpoints.domains) == 10
    found = saturation(checkpoints)
    assert found.shape == (len(checkpoints.shares), 16)
    assert (found[-1] == 1).all()
    assert found.min() > 8 / 64  # the share by chance
    assert (np.diff(found.mean(axis=1)) > 0).all()


def test_no_file_is_an_os_error(tmp_path: Path):
    with pytest.raises(FileNotFoundError):
        load_router_checkpoints(tmp_path / "nothing")
