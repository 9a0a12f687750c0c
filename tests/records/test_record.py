"""What all kinds of record have in common."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from olmoe_viz import Generation, RoutingPolicy, Trace
from olmoe_viz.records.record import Record
from olmoe_viz.records.timing import Timing
from tests.records.files import kinds

MakeTrace = Callable[..., Trace]


def arrays_of(record: Record) -> dict[str, np.ndarray]:
    return {name: v for name, v in vars(record).items() if isinstance(v, np.ndarray)}


def assert_same(left: Record, right: Record) -> None:
    assert type(left) is type(right)
    for part in fields(left):
        mine, other = getattr(left, part.name), getattr(right, part.name)
        assert type(mine) is type(other), part.name
        if isinstance(mine, np.ndarray):
            assert (mine.dtype, mine.shape) == (other.dtype, other.shape), part.name
            assert mine.tobytes() == other.tobytes(), part.name
        else:
            assert mine == other, part.name


def test_there_is_one_of_every_kind(records: list[Record]):
    assert {type(record) for record in records} == set(kinds())
    assert {kind.kind for kind in kinds()} == {
        "attention",
        "bandwidth",
        "coalition",
        "effects",
        "generation",
        "inspection",
        "lens",
        "logit_directions",
        "model_facts",
        "patches",
        "predictions",
        "routes",
        "scores",
        "timing",
        "trace",
    }


def test_a_saved_record_loads_as_it_was(records: list[Record], tmp_path: Path):
    for number, record in enumerate(records):
        path = tmp_path / f"{number}.safetensors"
        record.save(path)
        assert_same(record, type(record).load(path))
        assert_same(record, type(record).load(str(path)))


def test_values_that_are_not_round_are_kept_to_the_last_bit(make_trace: MakeTrace, tmp_path: Path):
    logits = np.array(make_trace().router_logits)
    logits.flat[:4] = [np.float32(0.1), np.nextafter(np.float32(1), np.float32(2)), -0.0, 1e-45]
    trace = make_trace(router_logits=logits, log_sum_exp=1000.1 + 2**-40)
    trace.save(tmp_path / "run")
    assert_same(trace, Trace.load(tmp_path / "run"))


@pytest.mark.parametrize(
    "policy",
    [
        RoutingPolicy((1, 8, 3), "gain_anchored"),
        RoutingPolicy(8, threshold=0.1 + 0.2),
        RoutingPolicy(None, "renormalized", 5e-324),
    ],
)
def test_every_policy_is_kept(make_trace: MakeTrace, tmp_path: Path, policy: RoutingPolicy):
    make_trace(policy=policy).save(tmp_path / "run")
    assert Trace.load(tmp_path / "run").policy == policy


@pytest.mark.parametrize(
    "text", ["\0", "مرحبا", "<script>alert(1)</script>", "$x^2$", "‹E2›", '"\\', '"sha256":"']
)
def test_text_is_kept_as_typed(make_trace: MakeTrace, tmp_path: Path, text: str):
    make_trace(text=text).save(tmp_path / "run")
    assert Trace.load(tmp_path / "run").text == text


def test_an_array_that_is_a_view_is_kept_as_it_reads(make_trace: MakeTrace, tmp_path: Path):
    trace = make_trace()
    turned = np.asfortranarray(trace.router_logits)
    replace(trace, router_logits=turned[:]).save(tmp_path / "run")
    assert_same(trace, Trace.load(tmp_path / "run"))


def test_saving_twice_gives_the_same_bytes(records: list[Record], tmp_path: Path):
    for record in records:
        record.save(tmp_path / "a")
        record.save(tmp_path / "b")
        assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_another_process_saves_the_same_bytes(make_trace: MakeTrace, tmp_path: Path):
    make_trace(full=True).save(tmp_path / "a")
    script = "import sys; from olmoe_viz import Trace; Trace.load(sys.argv[1]).save(sys.argv[2])"
    subprocess.run(
        [sys.executable, "-c", script, tmp_path / "a", tmp_path / "b"],
        cwd=Path(__file__).parent.parent.parent,
        env={"PYTHONHASHSEED": "7"},
        check=True,
    )
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_arrays_are_read_only(records: list[Record], tmp_path: Path):
    for record in records:
        record.save(tmp_path / "record")
        for made in (record, type(record).load(tmp_path / "record")):
            assert not any(array.flags.writeable for array in arrays_of(made).values())


def test_the_given_array_stays_the_callers(make_trace: MakeTrace):
    trace = make_trace()
    logits = np.array(trace.router_logits)
    replace(trace, router_logits=logits)
    assert logits.flags.writeable


def test_records_cannot_be_changed(records: list[Record]):
    for record in records:
        with pytest.raises(AttributeError):
            record.provenance = None


def test_every_record_says_what_was_asked_and_where_it_is_from(records: list[Record]):
    for record in records:
        assert is_dataclass(record.request)
        assert record.request.model == "random"
        assert record.provenance.runner == "none"


def test_nbytes_are_those_of_the_arrays(records: list[Record]):
    for record in records:
        assert record.nbytes == sum(array.nbytes for array in arrays_of(record).values())


def test_an_array_with_other_byte_order_is_refused(make_trace: MakeTrace):
    trace = make_trace()
    with pytest.raises(ValueError, match="router_logits is not float32"):
        replace(trace, router_logits=trace.router_logits.astype(">f4"))


class TestRepr:
    """One line, whatever the record holds: a notebook shows it for every cell's last value."""

    def test_of_a_trace(self, make_trace: MakeTrace):
        policy = RoutingPolicy((1, 2, 8), "renormalized")
        trace = make_trace(policy=policy)
        assert repr(trace) == (
            "Trace(model='random', policies='k=1-2-8,w=renormalized', tokens=11, layers=3, "
            f"experts=8, nbytes={trace.nbytes})"
        )

    def test_of_a_record_of_several_policies(self, records: list[Record]):
        said = [repr(record) for record in records if record.kind in ("scores", "inspection")]
        assert len(said) == 2
        assert all("policies='k=2; k=8,p>=0.03,w=renormalized'" in line for line in said)

    def test_of_a_record_without_arrays(self, plain_records: list[Record]):
        assert repr(plain_records[1]) == "Bandwidth(model='random', nbytes=0)"

    def test_is_short(self, records: list[Record]):
        assert all(len(repr(record)) < 300 and "\n" not in repr(record) for record in records)

    def test_is_short_for_long_names_and_policies(
        self, make_generation: Callable[..., Generation], make_trace: MakeTrace
    ):
        long = {"policy": RoutingPolicy((8,) * 1000), "model": "\0" * 10_000}
        trace = make_trace(text="word " * 10_000)
        timing = Timing(
            replace(_time_request(), **long), trace.provenance, np.array([1.0, 2.0, 3.0])
        )
        generation = make_generation()
        request = replace(generation.request, policies=(generation.policy,) * 100)
        for record in (trace, timing, replace(generation, request=request)):
            assert len(repr(record)) < 300


def _time_request() -> object:
    from olmoe_viz.requests import TimeRequest

    return TimeRequest("random", "abc", RoutingPolicy(2))
