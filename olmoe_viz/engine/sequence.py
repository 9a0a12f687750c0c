"""Sequence: one row of a batch, as it grows."""

import numpy as np

from olmoe_viz.engine.detokenizer import Detokenizer
from olmoe_viz.engine.taps import Arrays, fitted
from olmoe_viz.families.tokens import TokenBytes
from olmoe_viz.numerics.geometry import Geometry
from olmoe_viz.policy import RoutingPolicy
from olmoe_viz.records.generation import Finish, RowStep

_ROUTED = ("router_logits", "expert_ids", "weights")


class Sequence:
    """The tokens of one row, its policy, and its slot in the cache.

    Arrays of a row have the layers of experts first.
    """

    def __init__(self, policy: RoutingPolicy, slot: int, width: int, table: TokenBytes) -> None:
        self.policy, self.slot = policy, slot
        self.detokenizer = Detokenizer(table)
        self.ids: list[int] = []
        self.logprobs: list[float] = []
        self.text = ""
        self.finish: Finish | None = None
        self.seconds = 0.0
        self._width = width  # the most experts of a token of this row
        self._prompt: list[Arrays] = []
        self._written: list[Arrays] = []

    def read(self, routed: Arrays) -> None:
        """Take a part of the prompt that has been run: arrays [layers, tokens, ...]."""
        self._prompt.append(fitted(routed, self._width))

    def write(self, token: int, text: str, logprob: float, routed: Arrays) -> RowStep:
        """Take a token that has been run: its text, how likely it was, and what ran for it."""
        self.ids.append(token)
        self.logprobs.append(logprob)
        own = fitted(routed, self._width)
        self._written.append(own)
        self.text += text
        step = {name: own[name][:, 0] for name in _ROUTED}
        return RowStep(token, text, logprob, self.finish, **step)

    def end(self, finish: Finish) -> str:
        """Finish the row; return the text of bytes that still wait for their character."""
        self.finish = finish
        return self.detokenizer.finish()

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

    def _none(self, geometry: Geometry, tokens: int) -> Arrays:
        layers = len(geometry.moe_layers)
        return {
            "router_logits": np.zeros((layers, tokens, geometry.experts), np.float32),
            "expert_ids": np.full((layers, tokens, self._width), -1, np.int16),
            "weights": np.zeros((layers, tokens, self._width), np.float32),
        }


def _joined(parts: list[Arrays]) -> Arrays:
    return {name: np.concatenate([part[name] for part in parts], axis=1) for name in _ROUTED}
