"""Opening and reading the page `Follow a token` on the bundled model, without a browser."""

import re
from functools import cache
from urllib.parse import urlencode

from streamlit.testing.v1 import AppTest

import olmoe_viz as ov
from olmoe_viz import RoutingPolicy, Trace
from tests.ui.visitor import app, checked, drawn, page

PROMPT = "The cat sat on the mat"
STEPS = 9


def follow(prompt: str = PROMPT, query: str = "token=2") -> AppTest:
    """The page at an address."""
    return app(f"{urlencode({'prompt': prompt})}&{query}", "follow")


def press(test: AppTest, label: str) -> AppTest:
    return checked(next(b for b in test.button if b.label == label).click().run())


def texts(test: AppTest) -> str:
    return "\n".join(text.value for text in test.text)


def found(test: AppTest, pattern: str) -> tuple[str, ...]:
    match = re.search(pattern, texts(test))
    assert match, f"no {pattern!r} on the page"
    return match.groups()


@cache
def model() -> object:
    return ov.load_model()


@cache
def trace(policy: str = "k=8", prompt: str = PROMPT) -> Trace:
    return ov.trace(model(), prompt, RoutingPolicy.parse(policy), "full")


def captions(test: AppTest) -> str:
    return "\n".join(caption.value for caption in test.caption)


def charts(test: AppTest) -> int:
    return len(drawn(test))


def stopped() -> AppTest:
    """The page in a session that stopped the run it asked for."""
    test = app(name="about")
    test.session_state["offered_a_run"] = True
    return page(test, "follow")
