"""What an answer looks like on its way, and that nothing else is taken for one."""

import random
from collections.abc import Callable

import numpy as np
import pytest

from olmoe_viz import Generation, errors
from olmoe_viz.engine.engine import Progress, Ticket
from olmoe_viz.engine.serving import wire
from olmoe_viz.records.generation import RowStep, Step
from olmoe_viz.requests import ModelRequest


def row(token: int | None, seed: int = 0, finish: str | None = None, k: int = 2) -> RowStep:
    draw = np.random.default_rng(seed)
    width = 0 if token is None else k
    return RowStep(
        token,
        "" if token is None else f"é{token}",
        float("nan") if token is None else -0.5,
        finish,
        draw.normal(size=(3, 8 if token is not None else 0)).astype(np.float32),
        draw.integers(0, 8, (3, width)).astype(np.int16),
        draw.random((3, width)).astype(np.float32),
    )


STEPS = [
    Step(-1, (row(None), row(None)), 0.0),
    Step(0, (row(5, 1), row(6, 2, k=4)), 0.25),
    Step(1, (row(None, finish="end"), row(7, 3, "length", k=4)), 0.5),
]


def read(data: bytes, piece: int = 7) -> list[wire.Frame]:
    frames = wire.Frames()
    parts = (data[start : start + piece] for start in range(0, len(data), piece))
    return [frame for part in parts for frame in frames.feed(part)]


def test_steps_arrive_as_they_were() -> None:
    ((kind, data),) = read(wire.steps(STEPS))
    assert kind == wire.STEPS
    for sent, got in zip(STEPS, wire.read_steps(data), strict=True):
        assert (sent.index, sent.seconds) == (got.index, got.seconds)
        for mine, theirs in zip(sent.rows, got.rows, strict=True):
            assert (mine.token_id, mine.text, mine.finish) == (
                theirs.token_id,
                theirs.text,
                theirs.finish,
            )
            np.testing.assert_equal(mine.logprob, theirs.logprob)
            for name in ("router_logits", "expert_ids", "weights"):
                np.testing.assert_array_equal(getattr(mine, name), getattr(theirs, name))
                assert getattr(mine, name).dtype == getattr(theirs, name).dtype


def test_seconds_arrive_as_they_were() -> None:
    ((_, data),) = read(wire.steps([0.5, 0.25]))
    assert wire.read_steps(data) == [0.5, 0.25]
    ((_, data),) = read(wire.progress(Progress("running", 3, 9)))
    assert wire.read_progress(data) == Progress("running", 3, 9)


def test_an_answer_ends_with_its_records(make_generation: Callable[..., Generation]) -> None:
    ticket, generation = Ticket(ModelRequest("random")), make_generation()
    ticket.finish((generation,), cached=True)
    (_, record), (last, data) = read(b"".join(wire.ending(ticket)), 4_096)
    found, cached = wire.read_answer(data, [wire.read_record(record)])
    assert last == wire.DONE
    assert cached
    assert found[0].text == generation.text  # type: ignore[index]
    np.testing.assert_array_equal(found[0].weights, generation.weights)  # type: ignore[index]


@pytest.mark.parametrize(
    "error",
    [
        errors.InputError("a"),
        errors.ModelError("b"),
        errors.OutOfMemoryError("c"),
        errors.LostError("d"),
        errors.BusyError("e", 7.0),
    ],
)
def test_an_error_arrives_by_its_name(error: Exception) -> None:
    ticket = Ticket(ModelRequest("random"))
    ticket.fail(error)
    ((kind, data),) = read(b"".join(wire.ending(ticket)))
    found = wire.read_error(data)
    assert (kind, type(found), str(found)) == (wire.ERROR, type(error), str(error))
    assert getattr(found, "retry_after", 7.0) == 7.0


def test_what_was_written_goes_with_an_error(make_generation: Callable[..., Generation]) -> None:
    ticket = Ticket(ModelRequest("random"))
    ticket.fail(errors.GenerationError("It broke off.", (make_generation(),)))
    (_, record), (_, data) = read(b"".join(wire.ending(ticket)), 4_096)
    found = wire.read_error(data, [wire.read_record(record)])
    assert isinstance(found, errors.GenerationError)
    assert [each.text for each in found.generations] == ["abcd"]


def test_a_fault_is_told_without_its_details() -> None:
    assert "secret" not in str(wire.told(KeyError("secret")))
    assert wire.told(KeyError("secret"))["error"] == "EngineError"


def test_damaged_frames_are_value_errors(in_full: bool) -> None:
    draw, ((_, whole),) = random.Random(0), read(wire.steps(STEPS))
    for _ in range(2_000 if in_full else 200):
        data = bytearray(whole)
        for _ in range(draw.randint(1, 4)):
            data[draw.randrange(len(data))] = draw.randrange(256)
        data = data[: draw.choice([len(data), draw.randrange(len(data))])]
        try:
            found = wire.read_steps(bytes(data))
        except ValueError:
            continue
        assert all(isinstance(step, Step) for step in found)


def test_a_frame_is_no_longer_than_a_file_may_be() -> None:
    with pytest.raises(ValueError, match="too long"):
        list(wire.Frames().feed(b"S" + b"\xff" * 8))
