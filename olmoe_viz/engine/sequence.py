"""Sequence: one row of a batch, as it grows."""

import numpy as np

from olmoe_viz.engine.detokenizer import Detokenizer
from olmoe_viz.engine.sampling import Sampling
from olmoe_viz.engine.taps import Arrays, fitted
from olmoe_viz.families.tokens import TokenBytes
from olmoe_viz.interventions import Phase
from olmoe_viz.numerics.geometry import Geometry
from olmoe_viz.policy import RoutingPolicy
from olmoe_viz.records.generation import Finish, RowStep

_ROUTED = ("router_logits", "expert_ids", "weights")


class Sequence:
    """One row: its tokens, its policy, its place in the cache, and what ran for it.

    `tokens` are the prompt's and every one that was chosen since; the first `position` of them have
    run and are in the cache, from entry `base` on. At most `limit` are written. `uniforms` are
    float64, a number to draw each of them with. Arrays of a row have the layers of experts first.
    """

    def __init__(
        self,
        prompt: list[int],
        policy: RoutingPolicy,
        sampling: Sampling,
        uniforms: list[float],
        width: int,
        table: TokenBytes,
    ) -> None:
        self.policy, self.sampling = policy, sampling
        self.prompt, self.limit = len(prompt), len(uniforms)
        self.base = self.position = 0
        self.tokens = list(prompt)
        self.logprobs: list[float] = []
        self.text = ""
        self.finish: Finish | None = None
        self.seconds = 0.0
        self._uniforms, self._width = uniforms, width  # the most experts of a token of this row
        self._detokenizer = Detokenizer(table)
        self._prompt: list[Arrays] = []
        self._written: list[Arrays] = []

    @property
    def length(self) -> int:
        """The entries of the cache that the row needs at most."""
        return self.prompt + self.limit

    @property
    def ids(self) -> list[int]:
        """The tokens that have been written: chosen, and run."""
        return self.tokens[self.prompt : self.position]

    @property
    def phase(self) -> Phase:
        """Whether the tokens that run next are the prompt's."""
        return "prompt" if self.position < self.prompt else "generated"

    @property
    def uniform(self) -> float | None:
        """The number to draw the next token with; None when the row wants no more."""
        chosen = len(self.tokens) - self.prompt
        return self._uniforms[chosen] if chosen < self.limit else None

    def choose(self, token: int, logprob: float) -> None:
        """Take the token that comes next, and its natural log-probability before temperature."""
        self.tokens.append(token)
        self.logprobs.append(logprob)

    def read(self, routed: Arrays) -> None:
        """Take a part of the prompt that has been run: arrays [layers, tokens, ...]."""
        own = self._own(routed)
        self._prompt.append(own)
        self.position += own["router_logits"].shape[1]

    def write(self, routed: Arrays, ends: frozenset[int]) -> RowStep:
        """Take the token that has been run, with what ran for it; one of `ends` ends the row."""
        token, own = self.tokens[self.position], self._own(routed)
        logprob = self.logprobs[self.position - self.prompt]
        self._written.append(own)
        self.position += 1
        text = "" if token in ends else self._detokenizer.push(token)
        if token in ends or len(self._written) == self.limit:
            text += self.end("end" if token in ends else "length")
        self.text += text
        step = {name: own[name][:, 0] for name in _ROUTED}
        return RowStep(token, text, logprob, self.finish, **step)

    def end(self, finish: Finish) -> str:
        """Finish the row; return the text of bytes that still wait for their character."""
        self.finish = finish
        return self._detokenizer.finish()

    def idle(self, geometry: Geometry, text: str = "") -> RowStep:
        """Return a step in which the row writes no token."""
        none = self._none(geometry, 1)
        nothing = {name: none[name][:, 0, :0] for name in _ROUTED}
        return RowStep(None, text, float("nan"), self.finish, **nothing)

    def arrays(self, geometry: Geometry) -> Arrays:
        """Return everything recorded, named as in a Generation."""
        written = _joined(self._written) if self._written else self._none(geometry, 0)
        prompt = {f"prompt_{name}": values for name, values in _joined(self._prompt).items()}
        return written | prompt

    def _own(self, routed: Arrays) -> Arrays:
        """Return arrays of the row's own width, in memory that is not the whole batch's."""
        own = fitted(routed, self._width)
        return {name: own[name].copy() for name in _ROUTED}

    def _none(self, geometry: Geometry, tokens: int) -> Arrays:
        layers = len(geometry.moe_layers)
        return {
            "router_logits": np.zeros((layers, tokens, geometry.experts), np.float32),
            "expert_ids": np.full((layers, tokens, self._width), -1, np.int16),
            "weights": np.zeros((layers, tokens, self._width), np.float32),
        }


def _joined(parts: list[Arrays]) -> Arrays:
    return {name: np.concatenate([part[name] for part in parts], axis=1) for name in _ROUTED}
