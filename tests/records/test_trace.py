"""Trace and Generation: what they hold, and that a file is believed only when it fits."""

import json
import struct
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from olmoe_viz import Generation, RoutingPolicy, Trace
from olmoe_viz.storage import MAX_HEADER_BYTES
from olmoe_viz.trace import MAX_TEXT, MAX_TOKENS, Provenance, display_token

MakeTrace = Callable[..., Trace]
MakeGeneration = Callable[..., Generation]


def assert_same(a: Trace | Generation, b: Trace | Generation) -> None:
    for part in fields(a):
        left, right = getattr(a, part.name), getattr(b, part.name)
        if isinstance(left, np.ndarray):
            assert left.dtype == right.dtype, part.name
            np.testing.assert_array_equal(left, right, part.name)
        else:
            assert left == right, part.name


@pytest.mark.parametrize("full", [False, True])
def test_a_saved_trace_loads_as_it_was(make_trace: MakeTrace, tmp_path: Path, full: bool):
    trace = make_trace(full=full)
    trace.save(tmp_path / "run.safetensors")
    assert_same(trace, Trace.load(str(tmp_path / "run.safetensors")))


@pytest.mark.parametrize("tokens", [0, 4])
def test_a_saved_generation_loads_as_it_was(
    make_generation: MakeGeneration, tmp_path: Path, tokens: int
):
    generation = make_generation(tokens=tokens)
    generation.save(tmp_path / "run.safetensors")
    assert_same(generation, Generation.load(tmp_path / "run.safetensors"))


def test_saving_twice_gives_the_same_bytes(make_trace: MakeTrace, tmp_path: Path):
    for name in ("a", "b"):
        make_trace(full=True).save(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize(
    "text", ["\0", "مرحبا", "<script>alert(1)</script>", "$x^2$", "‹E2›", '"\\']
)
def test_text_survives_a_file_as_typed(make_trace: MakeTrace, tmp_path: Path, text: str):
    make_trace(text=text).save(tmp_path / "run")
    assert Trace.load(tmp_path / "run").text == text


def test_arrays_are_read_only(make_trace: MakeTrace, make_generation: MakeGeneration):
    for record in (make_trace(full=True), make_generation()):
        arrays = [v for v in vars(record).values() if isinstance(v, np.ndarray)]
        assert arrays
        assert not any(array.flags.writeable for array in arrays)


def test_the_given_array_stays_the_callers(make_trace: MakeTrace):
    trace = make_trace()
    logits = np.array(trace.router_logits)
    replace(trace, router_logits=logits)
    assert logits.flags.writeable


def test_records_cannot_be_changed(make_trace: MakeTrace):
    with pytest.raises(AttributeError):
        make_trace().text = "other"


def test_next_probabilities_are_shares_of_the_whole_vocabulary(make_trace: MakeTrace):
    assert make_trace().next_probabilities().sum() == pytest.approx(1)
    half = make_trace().log_sum_exp + np.log(2)
    assert make_trace(log_sum_exp=half).next_probabilities().sum() == pytest.approx(0.5)


def test_tokens_per_second(make_generation: MakeGeneration):
    assert make_generation(tokens=4).tokens_per_second == 8
    assert make_generation(tokens=0, seconds=0.0).tokens_per_second == 0


def test_text_above_the_limits_is_refused(make_trace: MakeTrace):
    make_trace(text="x" * MAX_TEXT)
    with pytest.raises(ValueError, match="200,000 characters"):
        make_trace(text="x" * (MAX_TEXT + 1))
    with pytest.raises(ValueError, match="surrogate"):
        make_trace(text="\ud83d")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"router_logits": np.zeros((3, 11, 8))}, "router_logits is not float32"),
        ({"router_logits": np.zeros((3, 10, 8), np.float32)}, r"of shape \[3, 11, 8\]"),
        ({"router_logits": [[[0.0]]]}, "router_logits is not float32"),
        ({"router_logits": np.full((3, 11, 8), np.nan, np.float32)}, "not finite"),
        ({"hidden_norms": np.zeros((3, 11), np.float32)}, r"of shape \[4, 11\]"),
        ({"token_ids": np.full(11, 40)}, "outside the vocabulary of 40"),
        ({"token_ids": np.full(11, -1)}, "outside the vocabulary of 40"),
        ({"token_ids": np.zeros(11, np.int32)}, "token_ids is not int64"),
        ({"next_ids": np.arange(40) + 1}, "next_ids has ids outside"),
        ({"next_logits": np.full(40, np.inf, np.float32)}, "next_logits has values"),
        ({"log_sum_exp": float("nan")}, "log_sum_exp must be"),
        ({"log_sum_exp": -1000.0}, "sum to more than 1"),
        ({"log_sum_exp": 2.5}, "sum to more than 1"),
        ({"tokens": ("a",)}, "11 token bytes for 1 tokens"),
        ({"tokens": (), "token_bytes": ()}, "1 to 8192 tokens"),
        ({"token_bytes": (b"a",)}, "1 token bytes for 11"),
        ({"policy": RoutingPolicy(9)}, "from 1 to 8"),
        ({"policy": RoutingPolicy((1, 1))}, "2 layers"),
        ({"attention_outputs": np.zeros((3, 11, 12), np.float32)}, "all three"),
        ({"hidden_states": np.zeros((4, 11, 12), np.float32)}, "attention_outputs is not"),
    ],
)
def test_a_trace_that_contradicts_itself_is_refused(
    make_trace: MakeTrace, change: dict, sentence: str
):
    assert len(make_trace().tokens) == 11
    with pytest.raises(ValueError, match=sentence):
        make_trace(**change)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"logprobs": np.full(4, 0.5, np.float32)}, "above 0"),
        ({"logprobs": np.zeros(3, np.float32)}, r"logprobs is not float32 of shape \[4\]"),
        ({"prompt_ids": np.zeros(0, np.int64)}, "1 to 8192 tokens"),
        ({"prompt_router_logits": np.zeros((3, 3, 8), np.float32)}, r"of shape \[3, 2, 8\]"),
        ({"seconds": -1.0}, "seconds must be"),
        ({"temperature": float("inf")}, "temperature must be"),
        ({"finish": "tired"}, "length, end, stopped, error"),
        ({"token_ids": np.full(4, 40)}, "outside the vocabulary"),
    ],
)
def test_a_generation_that_contradicts_itself_is_refused(
    make_generation: MakeGeneration, change: dict, sentence: str
):
    with pytest.raises(ValueError, match=sentence):
        make_generation(**change)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"created": "yesterday"}, "ISO 8601"),
        ({"created": "2026-01-02T03:04:05"}, "UTC"),
        ({"created": "2026-01-02T03:04:05+02:00"}, "UTC"),
        ({"created": None}, "ISO 8601"),
        ({"seconds": -1}, "seconds"),
        ({"model": "x" * 1001}, "1,000 characters"),
        ({"versions": {"torch": 2}}, "text"),
    ],
)
def test_a_provenance_that_says_nothing_is_refused(
    provenance: Provenance, change: dict, sentence: str
):
    with pytest.raises(ValueError, match=sentence):
        replace(provenance, **change)


class TestFiles:
    """Damaged, cut, lying and foreign files, each refused in a sentence."""

    @pytest.fixture
    def path(self, make_trace: MakeTrace, tmp_path: Path) -> Path:
        path = tmp_path / "run.safetensors"
        make_trace(full=True).save(path)
        return path

    @pytest.fixture
    def rewrite(self, path: Path) -> Callable[..., Path]:
        """Change the header of the file, or what its description says."""

        def rewritten(header: dict | None = None, **described: object) -> Path:
            whole = path.read_bytes()
            (length,) = struct.unpack("<Q", whole[:8])
            parts = json.loads(whole[8 : 8 + length])
            inner = json.loads(parts["__metadata__"]["olmoe_viz"]) | described
            parts["__metadata__"]["olmoe_viz"] = json.dumps(inner)
            text = json.dumps(parts | (header or {})).encode()
            path.write_bytes(struct.pack("<Q", len(text)) + text + whole[8 + length :])
            return path

        return rewritten

    def refused(self, path: Path, sentence: str = "") -> None:
        with pytest.raises(
            ValueError, match=rf"^{path.name} is not a readable trace: .*{sentence}"
        ):
            Trace.load(path)

    def test_the_unchanged_rewrite_is_read(self, rewrite: Callable[..., Path]):
        assert Trace.load(rewrite()).tokens

    @settings(
        max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
    )
    @given(share=st.floats(0, 1, exclude_max=True))
    def test_a_file_cut_anywhere(self, path: Path, share: float):
        whole = path.read_bytes()
        cut = path.with_name("cut")
        cut.write_bytes(whole[: int(share * len(whole))])
        self.refused(cut)

    @settings(
        max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
    )
    @given(share=st.floats(0, 1, exclude_max=True), flip=st.integers(1, 255))
    def test_one_wrong_byte_never_raises_anything_else(self, path: Path, share: float, flip: int):
        whole = bytearray(path.read_bytes())
        whole[int(share * len(whole))] ^= flip
        damaged = path.with_name("damaged")
        damaged.write_bytes(whole)
        said = ""
        try:
            Trace.load(damaged)
        except ValueError as error:
            said = str(error)
        # A changed value inside an array can still be a trace.
        assert not said or said.startswith("damaged is not a readable trace: ")

    def test_a_longer_file(self, path: Path):
        with path.open("ab") as file:
            file.write(b"more")
        self.refused(path, "bytes of arrays")

    @pytest.mark.parametrize("content", [b"", b"\0" * 8, b"{}", b"\xff" * 100, b"PK\x03\x04" * 9])
    def test_other_files(self, tmp_path: Path, content: bytes):
        (tmp_path / "other").write_bytes(content)
        self.refused(tmp_path / "other")

    def test_a_header_length_is_not_believed(self, tmp_path: Path):
        path = tmp_path / "long"
        with path.open("wb") as file:
            file.write(struct.pack("<Q", MAX_HEADER_BYTES + 1))
            file.truncate(MAX_HEADER_BYTES + 100)
        self.refused(path, "longer than 16 MiB")

    def test_deep_nesting(self, tmp_path: Path):
        text = b"[" * 100_000
        (tmp_path / "deep").write_bytes(struct.pack("<Q", len(text)) + text)
        self.refused(tmp_path / "deep", "header is damaged")

    def test_a_model_file(self, tmp_path: Path):
        safetensors.numpy.save_file({"weight": np.zeros(3)}, tmp_path / "model")
        self.refused(tmp_path / "model", "not written by olmoe-viz")

    def test_a_generation(self, make_generation: MakeGeneration, tmp_path: Path):
        make_generation().save(tmp_path / "generation")
        self.refused(tmp_path / "generation", "does not hold a trace")

    @pytest.mark.parametrize(
        ("described", "sentence"),
        [
            ({"format": 2}, "format"),
            ({"text": None}, "text"),
            ({"text": "\ud800"}, "surrogate"),
            ({"tokens": "abc"}, "tokens"),
            ({"tokens": [1] * 11}, "tokens"),
            ({"tokens": ["a"] * (MAX_TOKENS + 1)}, "8192 tokens"),
            ({"tokens": []}, "1 to 8192"),
            ({"tokens": ["a"] * 10}, "token_ids is not int64"),
            ({"tokens": ["a" * 4001] * 11}, "4,000 characters"),
            ({"token_bytes": ["zz"] * 11}, ""),
            ({"token_bytes": ["00"] * 10}, "10 token bytes for 11"),
            ({"log_sum_exp": "9"}, "log_sum_exp"),
            ({"full": False}, "foreign"),
            ({"full": 1}, "full"),
            ({"policy": "k=9"}, "from 1 to 8"),
            ({"policy": "all"}, "policy"),
            ({"geometry": {}}, "geometry is incomplete"),
            ({"geometry": []}, "geometry"),
            ({"provenance": {"model": "x"}}, "provenance is incomplete"),
            ({"provenance": None}, "provenance"),
        ],
    )
    def test_descriptions_that_do_not_fit(
        self, rewrite: Callable[..., Path], described: dict, sentence: str
    ):
        self.refused(rewrite(**described), sentence)

    @pytest.mark.parametrize("change", [{"layers": 10**15}, {"hidden": 2**62}, {"experts": 9}])
    def test_a_geometry_that_the_arrays_do_not_have(
        self, rewrite: Callable[..., Path], make_trace: MakeTrace, change: dict
    ):
        geometry = vars(make_trace().geometry) | {"heads": 1, "kv_heads": 1} | change
        self.refused(rewrite(geometry=geometry), "of shape")

    def test_provenance_versions_must_be_a_table(
        self, rewrite: Callable[..., Path], provenance: Provenance
    ):
        self.refused(rewrite(provenance=vars(provenance) | {"versions": 3}), "provenance")
        self.refused(rewrite(provenance=vars(provenance) | {"versions": {"a": 1}}), "provenance")

    @pytest.mark.parametrize(
        "entry",
        [
            {"dtype": "F16", "shape": [11], "data_offsets": [0, 88]},
            {"dtype": "I64", "shape": [10**18], "data_offsets": [0, 8 * 10**18]},
            {"dtype": "I64", "shape": [11], "data_offsets": [4, 92]},
            {"dtype": "I64", "shape": [11], "data_offsets": [0, 10**15]},
            {"dtype": "I64"},
            "none",
        ],
    )
    def test_headers_that_lie(self, rewrite: Callable[..., Path], entry: object):
        self.refused(rewrite({"token_ids": entry}))

    def test_foreign_arrays(self, rewrite: Callable[..., Path]):
        entry = {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}
        self.refused(rewrite({"weights": entry}), "foreign to it .weights.")

    def test_no_such_file(self, tmp_path: Path):
        with pytest.raises(FileNotFoundError):
            Trace.load(tmp_path / "none")


def test_a_damaged_generation_is_refused(make_generation: MakeGeneration, tmp_path: Path):
    path = tmp_path / "run"
    make_generation().save(path)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match=r"^run is not a readable generation: .*bytes of arrays"):
        Generation.load(path)


@pytest.mark.parametrize(
    ("token", "shown"),
    [
        (b" world", " world"),
        ("héllo".encode(), "héllo"),
        ("🙂".encode(), "🙂"),
        ("🙂".encode()[:3], "‹F0›‹9F›‹99›"),
        (b"a\xe2\x82", "a‹E2›‹82›"),
        (b"\0", "␀"),
        (b"\n\t\r\x1b\x7f", "␊␉␍␛␡"),
        ("\u202e\u200d\u00a0\u0085".encode(), "‹U+202E›‹U+200D›‹U+00A0›‹U+0085›"),
        (b"\xed\xa0\x80", "‹ED›‹A0›‹80›"),
        (b"", ""),
    ],
)
def test_bytes_are_shown_faithfully(token: bytes, shown: str):
    assert display_token(token) == shown


@given(st.binary())
def test_every_token_is_shown_as_printable_text(token: bytes):
    assert display_token(token).isprintable()


@given(st.text(st.characters(categories=["L", "N", "P", "S"])))
def test_printable_text_is_shown_as_it_is(text: str):
    assert display_token(text.encode()) == text
