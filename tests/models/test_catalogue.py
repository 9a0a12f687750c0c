"""What the catalogue says of its models."""

import json

from olmoe_viz.models.catalogue import BUNDLED, CATALOGUE, bundled_path
from olmoe_viz.numerics.geometry import OLMOE_1B_7B


def test_the_contexts_are_those_of_the_models() -> None:
    config = json.loads((bundled_path() / "config.json").read_text(encoding="utf-8"))
    for entry in CATALOGUE:
        own = config["max_position_embeddings"]
        assert entry.context == (own if entry.name == BUNDLED else OLMOE_1B_7B.context)
