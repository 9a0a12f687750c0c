"""What is sent of the longest texts stays within the budget of bytes."""

import json

import pytest

from olmoe_viz import RoutingPolicy
from olmoe_viz.figures.interactive_map.payload import budget, build, painted
from olmoe_viz.ui.widgets.routing_map import sent_bytes
from tests.figures.interactive_map.random_text import EIGHT, effects_of, long_text

# Without numbers of its own, with them and marks for the cells, with what only this one has: what
# the other views send is a part of these.
LARGEST = ("strongest", "follow", "effect")


def test_the_budget_is_that_of_2048_tokens_and_twice_that_of_4096() -> None:
    assert [budget(tokens) for tokens in (1, 2048, 4096)] == [250_000, 250_000, 500_000]
    assert budget(3072) == 375_000


@pytest.mark.parametrize("tokens", [2048, 4096])
@pytest.mark.parametrize("view", LARGEST)
def test_the_longest_text_under_a_threshold_stays_within_the_budget(view: str, tokens: int) -> None:
    policy = RoutingPolicy(8, "gain_anchored", threshold=0.05)
    text = long_text("🙂" * 40, tokens, policy)
    sent = build(
        text,
        policy=policy,
        view=view,
        against=RoutingPolicy(64),
        other=long_text("🙂" * 40, tokens, EIGHT, seed=1),
        expert=(15, 63),
        effects=effects_of(text),
    )
    assert len(json.dumps(sent)) <= budget(tokens)
    if "more" not in sent:  # then it must not be asked which of the shown ones ran
        assert sent["shown"] <= (text.expert_ids >= 0).sum(axis=-1).min()


@pytest.mark.parametrize("view", LARGEST)
@pytest.mark.parametrize(
    ("token", "tokens"),
    [(" extraordinarily long token", 2048), ("é", 2048), ("é", 4096), ("🙂" * 40, 4096)],
)
def test_the_longest_text_stays_within_the_budget(view: str, token: str, tokens: int) -> None:
    policy = RoutingPolicy(8, "gain_anchored")
    text = long_text(token, tokens, policy)
    sent = painted(
        build(
            text,
            policy=policy,
            view=view,
            against=RoutingPolicy(64),
            other=long_text(token, tokens, RoutingPolicy(64), seed=1),
            expert=(15, 63),
            effects=effects_of(text),
            token_bytes=[token.encode()] * tokens,
        ),
        "dark",
        "map",
    )
    assert sent_bytes(sent) <= budget(tokens)
    assert sent["shown"] >= 1
    assert (sent["bytes"] is not None) == ("é" in token)
