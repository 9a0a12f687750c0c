"""Model: a loaded model, as a value."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from transformers import PreTrainedTokenizerFast

from olmoe_viz.families.base import Family, Parts, Site
from olmoe_viz.families.tokens import TokenBytes
from olmoe_viz.models.catalogue import find
from olmoe_viz.numerics.geometry import Geometry
from olmoe_viz.records.model_facts import Capability


@dataclass(frozen=True, eq=False)
class Model:
    """A loaded model, shared by all who use it and never written to.

    `module` is transformers' own class, unchanged; it is in eval mode and records no gradients.
    `family` is its adapter, and `capabilities` what the checks at load leave it. `digest`
    identifies the weights: a SHA-256 for a folder, the commit for a model of the hub. `device` is
    where prompts go in, `dtype` that of the weights.
    """

    name: str
    revision: str | None
    digest: str
    module: Any
    tokenizer: PreTrainedTokenizerFast
    token_bytes: TokenBytes
    geometry: Geometry
    family: Family
    capabilities: frozenset[Capability]
    device: torch.device
    dtype: torch.dtype

    @cached_property
    def chat(self) -> bool:
        """Whether it was tuned on conversations, so that a text goes into its chat template.

        The catalogue says so of its models; of any other, that it comes with a template.
        """
        entry = find(self.name)
        return self.tokenizer.chat_template is not None if entry is None else entry.chat

    @cached_property
    def sites(self) -> tuple[Site, ...]:
        """Its layers of experts in order."""
        return self.family.sites(self.module)

    @cached_property
    def parts(self) -> Parts | None:
        """Its parts, if its blocks are those of `families.base.Block`."""
        return self.family.parts(self.module)
