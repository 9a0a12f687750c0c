"""Routes of other tools, written by hand in the shapes that these document."""

import base64
import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from click.testing import Result

from olmoe_viz.exchange import long_form
from olmoe_viz.exchange.routes import Routes, with_effects

Run = Callable[..., Result]
IDS = np.array([[[3, 1], [0, 2]], [[2, 3], [1, 0]], [[0, 1], [3, 2]]])  # [tokens, layers, k]


def bare(ids: np.ndarray) -> str:
    """SGLang: base64 of the bytes of int32."""
    return base64.b64encode(ids.astype("<i4").tobytes()).decode()


def numpy_file(ids: np.ndarray) -> str:
    """vLLM: base64 of a NumPy file."""
    file = io.BytesIO()
    np.save(file, ids.astype(np.int16))
    return base64.b64encode(file.getvalue()).decode()


ANSWERS = {
    "sglang": {"text": "a", "meta_info": {"routed_experts": bare(IDS), "prompt_tokens": 2}},
    "sglang openai": {"choices": [{"text": "a"}], "sglext": {"routed_experts": bare(IDS)}},
    "vllm": {"choices": [{"index": 0, "text": "a", "routed_experts": numpy_file(IDS)}]},
    "vllm lists": {"choices": [{"index": 0, "text": "a", "routed_experts": IDS.tolist()}]},
    "lists alone": IDS.tolist(),
    "base64 alone": bare(IDS),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_of_a_server_is_read(run: Run, tmp_path: Path, name: str):
    (tmp_path / "answer.json").write_text(json.dumps(ANSWERS[name]))
    ran = run("import", "answer.json", "--layers", "2", "--k", "2", "--json")
    assert ran.exit_code == 0
    facts = json.loads(ran.stdout)
    assert facts == {
        "kind": "routes",
        "layers": [0, 1],
        "expert_ids": IDS.swapaxes(0, 1).tolist(),
    }


def test_a_table_says_how_far_the_routes_go(run: Run, tmp_path: Path):
    (tmp_path / "answer.json").write_text(json.dumps(IDS.tolist()))
    assert run("import", "answer.json", "--save", "routes.csv").stdout.splitlines() == [
        "3 tokens, 2 layers, up to 2 experts; known of each: its id",
        " token  experts  first expert of layers 0, 1, ...",
        "     0     2.00   3  0",
        "     1     2.00   2  1",
        "     2     2.00   0  3",
    ]
    assert (tmp_path / "routes.csv").read_text().splitlines()[:2] == [
        '"token","layer","rank","expert"',
        "0,0,1,3",
    ]
    assert run("show", "routes.csv").exit_code == 0


def test_a_csv_of_another_tool_with_weights_and_gaps(run: Run, tmp_path: Path):
    """Rows in any order, a column that nobody knows, layers of experts that are not all blocks."""
    (tmp_path / "trace.csv").write_text(
        "token,layer,expert,weight,piece\n1,3,7,0.25,b\n0,3,5,0.5,=a\n0,3,2,0.125,a\n0,9,1,1,a\n"
    )
    facts = json.loads(run("import", "trace.csv", "--json").stdout)
    assert facts["layers"] == [3, 9]
    assert facts["expert_ids"] == [[[5, 2], [7, -1]], [[1, -1], [-1, -1]]]
    assert facts["weight"] == [[[0.5, 0.125], [0.25, None]], [[1.0, None], [None, None]]]


def test_the_long_form_comes_back_as_it_was_written(run: Run, tmp_path: Path, saved: object):
    run("export", "run.safetensors", "a.parquet")
    assert run("import", "a.parquet", "--save", "b.csv").exit_code == 0
    assert run("import", "b.csv", "--save", "c.parquet").exit_code == 0
    shown = [run("show", name, "--json").stdout for name in ("a.parquet", "b.csv", "c.parquet")]
    assert shown[0] == shown[1] == shown[2]
    assert len(json.loads(shown[0])["logit"]) == 3


def test_effects_are_written_and_read_where_they_were_measured(run: Run, tmp_path: Path):
    routes = Routes((3, 9), np.array([[[5, 2], [7, -1]], [[1, 0], [4, 6]]], np.int16))
    measured = with_effects(routes, [(9, 0)], np.array([[0, 1]]), np.array([[0.5, 0.25]]))
    for name in ("a.parquet", "b.csv"):
        long_form.write(tmp_path / name, Path(name).suffix, long_form.table(measured))
        shown = json.loads(run("show", name, "--json").stdout)["effect"]
        assert shown == [[[None, None]] * 2, [[0.25, 0.5], [None, None]]]
    with pytest.raises(ValueError, match=r"^Expert 9·8 did not run for token 0\.$"):
        with_effects(routes, [(9, 0)], np.array([[8]]), np.array([[0.5]]))
    with pytest.raises(ValueError, match=r"^There is no token 0 in a layer 4 of experts\.$"):
        with_effects(routes, [(4, 0)], np.array([[8]]), np.array([[0.5]]))


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("{", "it is not JSON"),
        ('{"text": "a"}', "it has no routed_experts"),
        ('{"routed_experts": "%%"}', "routed_experts is not base64"),
        (json.dumps({"routed_experts": bare(IDS)}), "48 bytes are not int32 of 5 layers"),
        ('{"routed_experts": [[1], [2, 3]]}', "not of the same length"),
        ('{"routed_experts": [[[1.5]]]}', "not whole numbers"),
        ('{"routed_experts": [[[-1]]]}', "not from 0 to"),
        ('{"routed_experts": [[[1, 1]]]}', "the same expert twice"),
        ('{"routed_experts": [[[99999]]]}', "not from 0 to"),
        ("[" * 100_000, "it is not JSON"),
    ],
)
def test_an_answer_that_is_none_is_refused_in_a_sentence(
    run: Run, tmp_path: Path, content: str, sentence: str
):
    (tmp_path / "answer.json").write_text(content)
    ran = run("import", "answer.json", "--layers", "5", "--save", "out.csv")
    assert (ran.exit_code, ran.stdout) == (1, "")
    assert "answer.json is not a readable answer" in ran.stderr
    assert sentence in ran.stderr
    assert not (tmp_path / "out.csv").exists()


def test_a_pickle_in_an_answer_is_not_read(run: Run, tmp_path: Path):
    file = io.BytesIO()
    np.save(file, np.array([[[object()]]], dtype=object), allow_pickle=True)
    answer = {"routed_experts": base64.b64encode(file.getvalue()).decode()}
    (tmp_path / "answer.json").write_text(json.dumps(answer))
    ran = run("import", "answer.json")
    assert (ran.exit_code, ran.stdout) == (1, "")


def test_a_numpy_array_larger_than_its_bytes_is_refused(run: Run, tmp_path: Path):
    data = base64.b64decode(numpy_file(IDS)).replace(b"(3, 2, 2), }   ", b"(9999, 2, 2), }")
    assert b"9999" in data
    answer = {"routed_experts": base64.b64encode(data).decode()}
    (tmp_path / "answer.json").write_text(json.dumps(answer))
    ran = run("import", "answer.json")
    assert (ran.exit_code, ran.stdout) == (1, "")
    assert "answer.json is not a readable answer" in ran.stderr


def test_a_small_parquet_file_of_very_many_rows_is_refused(run: Run, tmp_path: Path):
    zeros = pyarrow.array(np.zeros(2**24 + 1, np.int8))
    names = ("token", "layer", "expert")
    table = pyarrow.table(dict.fromkeys(names, zeros))
    pyarrow.parquet.write_table(table, tmp_path / "routes.parquet")
    assert (tmp_path / "routes.parquet").stat().st_size < 200_000
    ran = run("import", "routes.parquet")
    assert (ran.exit_code, "more than 16,777,216 rows" in ran.stderr) == (1, True)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("token,expert\n0,1\n", "no column named layer"),
        ("token,layer,expert\n", "is not a readable table"),
        ("token,layer,expert\n0,0,x\n", "expert is not a number"),
        ("token,layer,expert\n0,0,-1\n", "expert is not a whole number"),
        ("token,layer,expert\n0,0,1.5\n", "expert is not a number"),
        ("token,layer,expert\n99999,0,1\n", "token is not a whole number"),
        ("token,layer,expert\n0,0,1\n0,0,1\n", "same expert twice"),
        ("token,layer,expert,weight\n0,0,1,nan\n", "not"),
        ("token,layer,expert\n0,0\n", "is not a readable table"),
    ],
)
def test_a_table_that_is_none_is_refused_in_a_sentence(
    run: Run, tmp_path: Path, content: str, sentence: str
):
    (tmp_path / "routes.csv").write_text(content)
    ran = run("import", "routes.csv")
    assert (ran.exit_code, ran.stdout) == (1, "")
    assert "routes.csv is not a readable table of routes: " in ran.stderr
    assert sentence in ran.stderr
    assert run("show", "routes.csv").exit_code == 2


def test_save_names_a_table(run: Run, tmp_path: Path):
    (tmp_path / "answer.json").write_text(json.dumps(IDS.tolist()))
    assert run("import", "answer.json", "--save", "out.json").exit_code == 2
