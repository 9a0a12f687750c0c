"""Trace and Generation: the two records that everything a person sees is drawn from.

Knows nothing about models or pictures. Both records are immutable, check themselves when they are
made, and are saved as one safetensors file each.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from os import PathLike
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from olmoe_viz import storage
from olmoe_viz.costs import Geometry
from olmoe_viz.policy import RoutingPolicy
from olmoe_viz.storage import Layout

Float32s = NDArray[np.float32]
Ids = NDArray[np.int64]
Finish = Literal["length", "end", "stopped", "error"]

MAX_TOKENS = 8192
MAX_TEXT = 200_000
MAX_TOKEN_TEXT = 4_000
NEXT_TOKENS = 50
_ROUNDING = 1e-3


def display_token(token: bytes) -> str:
    """Return a token's bytes as visible text, spaces kept.

    A byte that is no part of valid UTF-8 is written as ‹E2›, a control character as its control
    picture (␀ for NUL, ␊ for a line feed), any other invisible character as ‹U+200D›.
    """
    return "".join(map(_visible, token.decode("utf-8", errors="surrogateescape")))


def _visible(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # where surrogateescape puts the undecodable byte
        return f"‹{code - 0xDC00:02X}›"
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "␡"
    return character if character.isprintable() else f"‹U+{code:04X}›"


@dataclass(frozen=True)
class Provenance:
    """Where the numbers of a record are from.

    `digest` identifies the weights, `created` is ISO 8601 in UTC, `seconds` the wall time of the
    work. Raises ValueError for a date or a duration that is none.
    """

    model: str
    revision: str | None
    digest: str
    dtype: str
    device: str
    versions: Mapping[str, str]
    created: str
    seconds: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "versions", dict(self.versions))
        texts = [self.model, self.revision or "", self.digest, self.dtype, self.device]
        for text in [*texts, *self.versions.keys(), *self.versions.values()]:
            _check_text("a provenance entry", text, 1_000)
        try:
            offset = datetime.fromisoformat(self.created).utcoffset()
        except (TypeError, ValueError):
            offset = None
        if offset is None or offset.total_seconds() != 0:
            raise ValueError("the date must be ISO 8601 in UTC")
        _check_number("seconds", self.seconds)


@dataclass(frozen=True, eq=False)
class Trace:
    """One forward pass over one text, as recorded; arrays are read-only.

    `token_ids` is int64 [tokens], `tokens` their visible text and `token_bytes` their exact bytes.
    `router_logits` is float32 [layers, tokens, experts], raw, before the softmax. `hidden_norms` is
    float32 [layers + 1, tokens]: the L2 norm of the residual stream entering each block and, last,
    leaving the last block, before the final norm. `next_ids` and `next_logits` ([50], or the whole
    vocabulary when that is smaller) are the most likely next tokens at the final position, and
    `log_sum_exp` is over the whole vocabulary there.

    Recorded only with detail "full", else None: `hidden_states` float32 [layers + 1, tokens,
    hidden], the residual stream at the same places as `hidden_norms`; `attention_outputs` and
    `expert_outputs` float32 [layers, tokens, hidden], what each half of a block adds to it.

    Raises ValueError when a value does not fit the rest or is not finite.
    """

    text: str
    token_ids: Ids
    tokens: tuple[str, ...]
    token_bytes: tuple[bytes, ...]
    router_logits: Float32s
    hidden_norms: Float32s
    next_ids: Ids
    next_logits: Float32s
    log_sum_exp: float
    policy: RoutingPolicy
    geometry: Geometry
    provenance: Provenance
    hidden_states: Float32s | None = field(default=None, repr=False)
    attention_outputs: Float32s | None = field(default=None, repr=False)
    expert_outputs: Float32s | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        count, full = len(self.tokens), self.hidden_states is not None
        _check_text("the text", self.text, MAX_TEXT)
        _check_tokens(self.tokens)
        if len(self.token_bytes) != count:
            raise ValueError(f"there are {len(self.token_bytes)} token bytes for {count} tokens")
        _check_number("log_sum_exp", self.log_sum_exp, least=-np.inf)
        if not full and (self.attention_outputs is not None or self.expert_outputs is not None):
            raise ValueError("a full trace has all three of its arrays")
        _freeze(self, _trace_layout(self.geometry, count, full))
        self.policy.check(self.geometry.layers, self.geometry.experts)
        _check_ids("token_ids", self.token_ids, self.geometry)
        _check_ids("next_ids", self.next_ids, self.geometry)
        if (self.next_logits > self.log_sum_exp + _ROUNDING).any() or (
            self.next_probabilities().sum() > 1 + _ROUNDING
        ):
            raise ValueError("the next tokens' probabilities sum to more than 1")

    def next_probabilities(self) -> NDArray[np.float64]:
        """Return the probabilities of `next_ids` over the whole vocabulary, float64 [50]."""
        return np.exp(self.next_logits.astype(np.float64) - self.log_sum_exp)

    def save(self, path: str | PathLike[str]) -> None:
        """Write the trace to one safetensors file; OSError from the file system."""
        described = {
            "text": self.text,
            "tokens": self.tokens,
            "token_bytes": [token.hex() for token in self.token_bytes],
            "log_sum_exp": float(self.log_sum_exp),
            "full": self.hidden_states is not None,
        }
        storage.write(Path(path), "trace", described | _shared(self), _arrays(self))

    @classmethod
    def load(cls, path: str | PathLike[str]) -> "Trace":
        """Read a saved trace; ValueError in a sentence for any file that is not one, OSError."""
        try:
            described, arrays = storage.read(Path(path), "trace", _trace_layout_of)
            return cls(
                text=_get(described, "text", str),
                tokens=_texts(described, "tokens"),
                token_bytes=tuple(map(bytes.fromhex, _texts(described, "token_bytes"))),
                log_sum_exp=_get(described, "log_sum_exp", float),
                **_shared_of(described),
                **arrays,
            )
        except ValueError as error:
            raise ValueError(f"{Path(path).name} is not a readable trace: {error}.") from None


@dataclass(frozen=True, eq=False)
class Generation:
    """One continuation of one prompt under one policy, as recorded; arrays are read-only.

    `prompt_ids` is int64 [prompt tokens], `token_ids` int64 [generated tokens], `tokens` their
    visible text, `text` the generated text alone. `logprobs` is float32 [generated tokens], natural
    logarithms under the row's own policy before temperature. `router_logits` is float32
    [layers, generated tokens, experts], raw, of the generated tokens, and `prompt_router_logits`
    [layers, prompt tokens, experts] of the prompt. `seconds` is the wall time of decoding and
    `prefill_seconds` that of reading the prompt, both of the whole batch that the row ran in.

    Raises ValueError when a value does not fit the rest or is not finite.
    """

    policy: RoutingPolicy
    prompt: str
    prompt_ids: Ids
    token_ids: Ids
    tokens: tuple[str, ...]
    text: str
    logprobs: Float32s
    router_logits: Float32s
    prompt_router_logits: Float32s
    seconds: float
    prefill_seconds: float
    finish: Finish
    temperature: float
    top_p: float
    seed: int
    geometry: Geometry
    provenance: Provenance

    def __post_init__(self) -> None:
        _check_text("the prompt", self.prompt, MAX_TEXT)
        _check_text("the text", self.text, MAX_TEXT)
        _check_tokens(self.tokens)
        _check_number("seconds", self.seconds)
        _check_number("prefill_seconds", self.prefill_seconds)
        _check_number("temperature", self.temperature)
        _check_number("top_p", self.top_p)
        if self.finish not in get_args(Finish):
            raise ValueError(f"finish must be one of {', '.join(get_args(Finish))}")
        _freeze(self, _generation_layout(self.geometry, len(self.prompt_ids), len(self.tokens)))
        self.policy.check(self.geometry.layers, self.geometry.experts)
        _check_ids("prompt_ids", self.prompt_ids, self.geometry)
        _check_ids("token_ids", self.token_ids, self.geometry)
        if (self.logprobs > _ROUNDING).any():
            raise ValueError("a log-probability is above 0")

    @property
    def tokens_per_second(self) -> float:
        """Generated tokens per second of decoding; 0 when nothing was decoded."""
        return len(self.tokens) / self.seconds if self.seconds > 0 else 0.0

    def save(self, path: str | PathLike[str]) -> None:
        """Write the generation to one safetensors file; OSError from the file system."""
        names = ["prompt", "tokens", "text", "finish", "seed"]
        numbers = ["seconds", "prefill_seconds", "temperature", "top_p"]
        described = {name: getattr(self, name) for name in names}
        described |= {name: float(getattr(self, name)) for name in numbers}
        described["prompt_tokens"] = len(self.prompt_ids)
        storage.write(Path(path), "generation", described | _shared(self), _arrays(self))

    @classmethod
    def load(cls, path: str | PathLike[str]) -> "Generation":
        """Read a saved generation; ValueError in a sentence for a file that is not one, OSError."""
        try:
            described, arrays = storage.read(Path(path), "generation", _generation_layout_of)
            return cls(
                prompt=_get(described, "prompt", str),
                tokens=_texts(described, "tokens"),
                text=_get(described, "text", str),
                finish=_get(described, "finish", str),
                seed=_get(described, "seed", int),
                seconds=_get(described, "seconds", float),
                prefill_seconds=_get(described, "prefill_seconds", float),
                temperature=_get(described, "temperature", float),
                top_p=_get(described, "top_p", float),
                **_shared_of(described),
                **arrays,
            )
        except ValueError as error:
            raise ValueError(f"{Path(path).name} is not a readable generation: {error}.") from None


def _trace_layout(geometry: Geometry, tokens: int, full: bool) -> Layout:
    _check_count(tokens, least=1)
    layers, top = geometry.layers, min(NEXT_TOKENS, geometry.vocab)
    layout: dict[str, tuple[str, tuple[int, ...]]] = {
        "token_ids": ("int64", (tokens,)),
        "router_logits": ("float32", (layers, tokens, geometry.experts)),
        "hidden_norms": ("float32", (layers + 1, tokens)),
        "next_ids": ("int64", (top,)),
        "next_logits": ("float32", (top,)),
    }
    if full:
        layout["hidden_states"] = ("float32", (layers + 1, tokens, geometry.hidden))
        layout["attention_outputs"] = ("float32", (layers, tokens, geometry.hidden))
        layout["expert_outputs"] = ("float32", (layers, tokens, geometry.hidden))
    return layout


def _trace_layout_of(described: dict[str, Any]) -> Layout:
    tokens = len(_texts(described, "tokens"))
    return _trace_layout(_geometry(described), tokens, _get(described, "full", bool))


def _generation_layout(geometry: Geometry, prompt: int, tokens: int) -> Layout:
    _check_count(prompt, least=1)
    _check_count(tokens, least=0)
    return {
        "prompt_ids": ("int64", (prompt,)),
        "token_ids": ("int64", (tokens,)),
        "logprobs": ("float32", (tokens,)),
        "router_logits": ("float32", (geometry.layers, tokens, geometry.experts)),
        "prompt_router_logits": ("float32", (geometry.layers, prompt, geometry.experts)),
    }


def _generation_layout_of(described: dict[str, Any]) -> Layout:
    prompt, tokens = _get(described, "prompt_tokens", int), len(_texts(described, "tokens"))
    return _generation_layout(_geometry(described), prompt, tokens)


def _freeze(record: Trace | Generation, layout: Layout) -> None:
    """Check every array of the record against its layout and make it read-only."""
    for name, (dtype, shape) in layout.items():
        array = getattr(record, name)
        if not isinstance(array, np.ndarray) or (array.dtype, array.shape) != (dtype, shape):
            raise ValueError(f"{name} is not {dtype} of shape {list(shape)}")
        if dtype == "float32" and not np.isfinite(array).all():
            raise ValueError(f"{name} has values that are not finite")
        view = array.view()
        view.flags.writeable = False
        object.__setattr__(record, name, view)


def _arrays(record: Trace | Generation) -> dict[str, NDArray[Any]]:
    values = {part.name: getattr(record, part.name) for part in fields(record)}
    return {name: value for name, value in values.items() if isinstance(value, np.ndarray)}


def _shared(record: Trace | Generation) -> dict[str, object]:
    return {
        "policy": str(record.policy),
        "geometry": asdict(record.geometry),
        "provenance": asdict(record.provenance),
    }


def _shared_of(described: dict[str, Any]) -> dict[str, Any]:
    return {
        "policy": RoutingPolicy.parse(_get(described, "policy", str)),
        "geometry": _geometry(described),
        "provenance": _built(Provenance, described, "provenance"),
    }


def _geometry(described: dict[str, Any]) -> Geometry:
    geometry: Geometry = _built(Geometry, described, "geometry")
    return geometry


def _built(kind: type, described: dict[str, Any], name: str) -> Any:
    try:
        return kind(**_get(described, name, dict))
    except (TypeError, AttributeError):
        raise ValueError(f"its {name} is incomplete") from None


def _get(described: dict[str, Any], name: str, kind: type) -> Any:
    value = described.get(name)
    if type(value) is not kind:
        raise ValueError(f"its {name} is missing or damaged")
    return value


def _texts(described: dict[str, Any], name: str) -> tuple[str, ...]:
    values = _get(described, name, list)
    if not all(isinstance(value, str) for value in values):
        raise ValueError(f"its {name} is missing or damaged")
    return tuple(values)


def _check_count(tokens: int, least: int) -> None:
    if not least <= tokens <= MAX_TOKENS:
        raise ValueError(f"it must hold {least} to {MAX_TOKENS} tokens, not {tokens}")


def _check_tokens(tokens: tuple[str, ...]) -> None:
    for token in tokens:
        _check_text("a token", token, MAX_TOKEN_TEXT)


def _check_text(what: str, text: object, limit: int) -> None:
    if not isinstance(text, str) or len(text) > limit:
        raise ValueError(f"{what} must be text of at most {limit:,} characters")
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError(f"{what} has half a surrogate pair, which is not text")


def _check_number(what: str, value: object, least: float = 0.0) -> None:
    if not isinstance(value, int | float) or not least <= value < np.inf:
        raise ValueError(f"{what} must be a finite number, not below {least}")


def _check_ids(what: str, ids: Ids, geometry: Geometry) -> None:
    if ids.size and not 0 <= ids.min() <= ids.max() < geometry.vocab:
        raise ValueError(f"{what} has ids outside the vocabulary of {geometry.vocab}")
