"""The recorded pairs are what the model writes."""

import olmoe_viz as ov
from olmoe_viz.analysis.blind import pairs
from training.blind import PAIRS, pair


def test_the_recorded_pairs_are_what_the_model_writes(in_full: bool) -> None:
    model = ov.load_model()
    assert [(each.prompt, each.ks[1]) for each in pairs()] == list(PAIRS)
    for recorded in pairs() if in_full else pairs()[:1]:
        written = pair(model, recorded.prompt, recorded.ks[1], 60 if in_full else 6)
        assert written["ks"] == list(recorded.ks)
        for text, begun in zip(recorded.texts, written["texts"], strict=True):
            assert text.startswith(begun)
            assert begun
