"""What an answer looks like on its way: frames of progress, steps, records, and how it ended.

A frame is one byte for its kind, eight for the length of what follows (unsigned, big-endian), and
that. docs/protocol.md describes each kind. Reading is strict: ValueError for all that is not one.
"""

import json
import struct
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any, get_args

import numpy as np
import safetensors.numpy
from safetensors import SafetensorError

from olmoe_viz import errors, json_form
from olmoe_viz.engine.engine import Answer, Progress, Ticket
from olmoe_viz.engine.recorded import from_bytes
from olmoe_viz.records.file import MAX_BYTES
from olmoe_viz.records.generation import Finish, Generation, RowStep, Step
from olmoe_viz.records.record import Record

ANSWERS = "/v1/answers"  # where requests are sent to
PROGRESS, STEPS, RECORD, ERROR, DONE = b"P", b"S", b"R", b"E", b"D"
_HEAD = struct.Struct(">cQ")
_ARRAYS = {"router_logits": np.float32, "expert_ids": np.int16, "weights": np.float32}
# The errors that are told by name; any other arrives as an EngineError.
_TOLD: dict[str, type[Exception]] = {
    each.__name__: each
    for each in (
        errors.InputError,
        errors.ModelError,
        errors.EngineError,
        errors.OutOfMemoryError,
        errors.BusyError,
        errors.MissingError,
        errors.LostError,
    )
}
_WITH_TEXTS: dict[str, type[errors.CancelledError | errors.GenerationError]] = {
    each.__name__: each for each in (errors.CancelledError, errors.GenerationError)
}

Frame = tuple[bytes, bytes]


class Frames:
    """Puts together frames that arrive in pieces."""

    def __init__(self) -> None:
        self._held = bytearray()

    def feed(self, piece: bytes) -> Iterator[Frame]:
        """Take a piece; yield the frames that are whole now. ValueError for a length too large."""
        self._held += piece
        while len(self._held) >= _HEAD.size:
            kind, length = _HEAD.unpack_from(self._held)
            if length > MAX_BYTES:
                raise ValueError("a frame is too long")
            end = _HEAD.size + length
            if len(self._held) < end:
                return
            yield kind, bytes(self._held[_HEAD.size : end])
            del self._held[:end]


def progress(found: Progress) -> bytes:
    """Return the frame that says how far a request is."""
    return _frame(PROGRESS, _json(asdict(found)))


def read_progress(data: bytes) -> Progress:
    """Return what `progress` wrote."""
    found: Progress = json_form.decode(Progress, _object(data))
    return found


def steps(found: Sequence[Any]) -> bytes:
    """Return the frame of some steps of one request: of Steps, or of numbers of seconds."""
    if not isinstance(found[0], Step):
        return _frame(STEPS, safetensors.numpy.save({}, {"steps": json.dumps(list(found))}))
    arrays: dict[str, Any] = {}
    for row in range(len(found[0].rows)):
        written = [step.rows[row] for step in found if step.rows[row].token_id is not None]
        for name in _ARRAYS if written else ():
            arrays[f"{row}.{name}"] = np.stack([getattr(each, name) for each in written])
    told = {
        "layers": len(found[0].rows[0].router_logits),
        "steps": [[step.index, step.seconds, list(map(_row, step.rows))] for step in found],
    }
    return _frame(STEPS, safetensors.numpy.save(arrays, {"steps": json.dumps(told)}))


def read_steps(data: bytes) -> list[Any]:
    """Return the steps of a frame."""
    told, arrays = _unpacked(data)
    if isinstance(told, list):
        return [json_form.decode(float, each, "a step") for each in told]
    places: dict[str, int] = {}
    try:
        nothing = {name: np.zeros((int(told["layers"]), 0), kind) for name, kind in _ARRAYS.items()}
        return [
            Step(
                int(index),
                tuple(_read_row(str(n), row, arrays, places, nothing) for n, row in enumerate(of)),
                float(seconds),
            )
            for index, seconds, of in told["steps"]
        ]
    except (KeyError, TypeError, IndexError):
        raise ValueError("its steps are damaged") from None


def record(found: Record) -> bytes:
    """Return the frame of a record: the bytes of its file."""
    return _frame(RECORD, found.to_bytes())


def ending(ticket: Ticket) -> Iterator[bytes]:
    """Yield the frames that end the answer to a ticket which is done."""
    try:
        answer = ticket.result(timeout=0)
    except Exception as error:  # noqa: BLE001 - told to whoever asked
        yield from map(record, getattr(error, "generations", ()))
        yield _frame(ERROR, _json(told(error)))
        return
    several = isinstance(answer, tuple)
    yield from map(record, answer if isinstance(answer, tuple) else (answer,))
    yield _frame(DONE, _json({"cached": ticket.cached, "several": several}))


def told(error: Exception) -> dict[str, Any]:
    """Return what is told of an error: its name and its sentence; of a fault of ours no details."""
    names = [each.__name__ for each in type(error).__mro__]
    name = next((each for each in names if each in _TOLD or each in _WITH_TEXTS), None)
    if name is None:
        return {"error": "EngineError", "sentence": "The engine could not answer this. Run again."}
    found: dict[str, Any] = {"error": name, "sentence": str(error)[:2_000]}
    if isinstance(error, errors.BusyError):
        found["retry_after"] = error.retry_after
    return found


def read_error(data: bytes, texts: Sequence[Record] = ()) -> Exception:
    """Return the error that `told` described; `texts` were sent before it."""
    found = _object(data)
    name, sentence = found.get("error"), str(found.get("sentence", ""))[:2_000]
    if name in _WITH_TEXTS:
        return _WITH_TEXTS[str(name)](sentence, texts)
    if name == "BusyError":
        wait = found.get("retry_after")
        return errors.BusyError(sentence, float(wait) if isinstance(wait, int | float) else 5.0)
    return _TOLD.get(str(name), errors.EngineError)(sentence)


def read_record(data: bytes) -> Record:
    """Return the record of a frame."""
    return from_bytes(data)


def read_answer(data: bytes, records: Sequence[Record]) -> tuple[Answer, bool]:
    """Return the answer that the records are, and whether it was kept from before."""
    found = _object(data)
    if found.get("several") is not True and len(records) == 1:
        return records[0], found.get("cached") is True
    texts = tuple(each for each in records if isinstance(each, Generation))
    if found.get("several") is not True or len(texts) != len(records):
        raise ValueError("its records are not what it says")
    return texts, found.get("cached") is True


def _frame(kind: bytes, data: bytes) -> bytes:
    return _HEAD.pack(kind, len(data)) + data


def _json(value: Any) -> bytes:
    return json.dumps(value, allow_nan=False).encode()


def _object(data: bytes) -> dict[str, Any]:
    try:
        found = json.loads(data)
    except RecursionError:
        raise ValueError("it is damaged") from None
    if not isinstance(found, dict):
        raise ValueError("it is damaged")
    return found


def _row(row: RowStep) -> list[Any]:
    written = None if row.token_id is None else row.logprob
    return [row.token_id, row.text, written, row.finish]


def _read_row(
    name: str, row: Any, arrays: dict[str, Any], places: dict[str, int], nothing: dict[str, Any]
) -> RowStep:
    """Return a row of a step; `places` counts how many of the row's tokens have been read."""
    token, text, logprob, finish = row
    if finish not in (None, *get_args(Finish)) or not isinstance(text, str):
        raise TypeError
    if token is None:
        return RowStep(None, text, float("nan"), finish, **nothing)
    place = places.setdefault(name, 0)
    places[name] += 1
    own = {each: arrays[f"{name}.{each}"][place] for each in _ARRAYS}
    return RowStep(int(token), text, float(logprob), finish, **own)


def _unpacked(data: bytes) -> tuple[Any, dict[str, Any]]:
    """Return the JSON in the metadata of safetensors bytes, and the arrays."""
    length = int.from_bytes(data[:8], "little")
    try:
        told = json.loads(_object(data[8 : 8 + length])["__metadata__"]["steps"])
        return told, safetensors.numpy.load(data)
    except (KeyError, TypeError, RecursionError, SafetensorError):
        raise ValueError("its steps are damaged") from None
