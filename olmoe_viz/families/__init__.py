"""The families of models that can be shown, by the `model_type` of their configuration."""

from olmoe_viz.families.base import Family
from olmoe_viz.families.olmoe import Olmoe

FAMILIES: dict[str, Family] = {family.model_type: family for family in (Olmoe(),)}
