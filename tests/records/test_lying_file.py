"""Files whose checksum is right and whose header is not, each refused in a sentence."""

import json
import struct
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest

from olmoe_viz import Trace
from olmoe_viz.records.provenance import Provenance
from olmoe_viz.records.record import MAX_TOKENS
from tests.records.files import Rewrite, join, refused, split


class TestLies:
    """Files whose checksum is right and whose header is not."""

    @pytest.mark.parametrize(
        ("facts", "sentence"),
        [
            ({"text": None}, "text is missing or damaged"),
            ({"text": "\ud800"}, "surrogate"),
            ({"tokens": "abc"}, "tokens is missing or damaged"),
            ({"tokens": [1] * 11}, "tokens is missing or damaged"),
            ({"tokens": ["a"] * (MAX_TOKENS + 1)}, "8192 tokens"),
            ({"tokens": []}, "1 to 8192"),
            ({"tokens": ["a"] * 10}, "token_ids is not int64"),
            ({"tokens": ["a" * 4001] * 11}, "4,000 characters"),
            ({"token_bytes": ["zz"] * 11}, "token_bytes is missing or damaged"),
            ({"token_bytes": ["00"] * 10}, "10 token bytes for 11"),
            ({"log_sum_exp": "9"}, "log_sum_exp is missing or damaged"),
            ({"log_sum_exp": 10**400}, "log_sum_exp is missing or damaged"),
            ({"log_sum_exp": float("nan")}, "log_sum_exp is missing or damaged"),
            ({"log_sum_exp": True}, "log_sum_exp is missing or damaged"),
            ({"geometry": {}}, "layers is missing or damaged"),
            ({"geometry": []}, "Geometry is incomplete"),
            ({"provenance": {"model": "x"}}, "revision is missing or damaged"),
            ({"provenance": None}, "Provenance is incomplete"),
            ({"request": "k=2"}, "TraceRequest is incomplete"),
            ({"more": 1}, "unknown fields"),
        ],
    )
    def test_facts_that_do_not_fit(self, rewrite: Rewrite, facts: dict, sentence: str):
        refused(rewrite(**facts), sentence)

    @pytest.mark.parametrize(
        ("change", "sentence"),
        [
            ({"policy": "k=9"}, "from 1 to 8"),
            ({"policy": "all"}, "Not a routing policy"),
            ({"policy": 2}, "policy is missing or damaged"),
            ({"detail": "routing"}, "foreign to it"),
            ({"detail": ["full"]}, "detail is missing or damaged"),
            ({"text": [2**63]}, "text is missing or damaged"),
            ({"text": [[1]]}, "text is missing or damaged"),
        ],
    )
    def test_a_request_that_does_not_fit(
        self, path: Path, rewrite: Rewrite, change: dict, sentence: str
    ):
        header, _ = split(path)
        request = json.loads(header["__metadata__"]["olmoe_viz"])["facts"]["request"]
        refused(rewrite(request=request | change), sentence)

    @pytest.mark.parametrize(
        ("change", "sentence"),
        [
            ({"layers": 10**15}, "at most 1,000 layers"),
            ({"layers": 10**15, "moe_layers": []}, "at most 1,000 layers"),
            ({"hidden": 2**62}, "of shape"),
            ({"hidden": 2**63}, "hidden is missing or damaged"),
            ({"hidden": 10**4000}, "hidden is missing or damaged"),
            ({"experts": 9, "moe_layers": []}, "of shape"),
            ({"moe_layers": [[2, 8, 2, 8]]}, "MoeLayer is incomplete"),
            ({"moe_layers": [{"layer": 3, "experts": 8, "trained_k": 2, "largest_k": 8}]}, "order"),
        ],
    )
    def test_a_geometry_that_the_arrays_do_not_have(
        self, rewrite: Rewrite, make_trace: Callable[..., Trace], change: dict, sentence: str
    ):
        geometry = asdict(make_trace().geometry) | {"heads": 1, "kv_heads": 1} | change
        refused(rewrite(geometry=geometry), sentence)

    def test_provenance_versions_must_be_a_table(self, rewrite: Rewrite, provenance: Provenance):
        for versions in (3, {"a": 1}, {"a": None}, ["a"]):
            refused(rewrite(provenance=vars(provenance) | {"versions": versions}), "versions")

    @pytest.mark.parametrize(
        "entry",
        [
            {"dtype": "F16", "shape": [11], "data_offsets": [0, 88]},
            {"dtype": "I64", "shape": [10**18], "data_offsets": [0, 8 * 10**18]},
            {"dtype": "I64", "shape": [11], "data_offsets": [4, 92]},
            {"dtype": "I64", "shape": [11], "data_offsets": [0, 10**15]},
            {"dtype": "I64", "shape": [11], "data_offsets": [0, -1]},
            {"dtype": "I64", "shape": [11]},
            {"dtype": "I64", "shape": "11", "data_offsets": [0, 88]},
            {"dtype": ["I64"], "shape": [[11]], "data_offsets": [0, 88]},
            {"dtype": "I64"},
            "none",
            None,
        ],
    )
    def test_headers_that_lie(self, rewrite: Rewrite, entry: object):
        refused(rewrite({"token_ids": entry}))

    def test_foreign_arrays(self, rewrite: Rewrite):
        entry = {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}
        refused(rewrite({"expert_outputs": entry}), "foreign to it .expert_outputs.")

    def test_missing_arrays(self, path: Path):
        header, data = split(path)
        del header["weights"]
        refused(join(path, header, data), "missing from it .* .weights.")

    def test_arrays_that_are_not_finite(self, path: Path):
        header, data = split(path)
        start = header["hidden_norms"]["data_offsets"][0]
        data = data[:start] + struct.pack("<f", float("nan")) + data[start + 4 :]
        refused(join(path, header, data), "hidden_norms has values that are not finite")

    @pytest.mark.parametrize("metadata", [None, [], "", {}, {"olmoe_viz": {}}, {"olmoe_viz": "["}])
    def test_metadata_that_is_none(self, path: Path, metadata: object):
        header, data = split(path)
        refused(join(path, header | {"__metadata__": metadata}, data))

    @pytest.mark.parametrize("described", ["[]", "null", "2", '"trace"', "[" * 100_000])
    def test_a_description_that_is_none(self, path: Path, described: str):
        header, data = split(path)
        refused(join(path, header | {"__metadata__": {"olmoe_viz": described}}, data))

    @pytest.mark.parametrize("description", [{"kind": 1}, {"kind": None}, {"facts": []}])
    def test_a_description_of_nothing(self, rewrite: Rewrite, description: dict):
        refused(rewrite(description=description), "description is damaged")

    @pytest.mark.parametrize(
        "text", ["[" * 100_000, '{"a":' * 100_000, "9" * 5_000, "NaN", "[]", "\ud800"]
    )
    def test_a_header_that_is_no_object(self, tmp_path: Path, text: str):
        raw = text.encode("utf-8", errors="surrogatepass")
        (tmp_path / "odd").write_bytes(struct.pack("<Q", len(raw)) + raw)
        refused(tmp_path / "odd", "header is damaged")
