"""What the map says of what was observed, and the token that comes next: each case of each."""

import re

import pytest
from streamlit.testing.v1 import AppTest

from olmoe_viz.engine.engine import Ticket
from olmoe_viz.figures.labels import k_is
from olmoe_viz.requests import Request
from olmoe_viz.ui.map import load_panel
from olmoe_viz.ui.map.next_token import typed
from olmoe_viz.ui.texts import next_token, observed, why_experts
from tests.ui.engines import Watched, serve
from tests.ui.visitor import app, checked

FIRST, LAST = (0.16, 0.8), (0.15, 0.2)
SHARES = (7, 7, 2)


@pytest.mark.parametrize(
    ("sentence", "words"),
    [
        (observed.first_token(1, 8, 20, FIRST, LAST), "is special: it sees only itself"),
        (observed.first_token(1, 8, 20, FIRST, LAST), "share 6.4 of 8 experts in layer 1, last"),
        (observed.first_token(0, 8, 20, FIRST, LAST), "Here that shows little: first tokens share"),
        (observed.first_token(0, 8, 20, FIRST, LAST), "In layer 1 it is 6.4, whatever they are."),
        (observed.shared(("a", " *b"), SHARES, 1.9, 8), "share 5.3 of 8 experts, on average over"),
        (observed.shared(("a", " *b"), SHARES, 1.9, 8), "‘a’ and ‘·\\*b’"),
        (observed.shared(("a", "b"), SHARES, 1.9, 8), "more than other pairs of this text (1.9)"),
        (observed.shared(("a", "b"), SHARES, 5.4, 8), "about as many as other pairs of this text"),
        (observed.shared(("a", "b"), SHARES, 7.5, 8), "fewer than other pairs of this text (7.5)"),
        (
            observed.shared(("a", "b"), SHARES, 7.5, 8),
            "most, 7, in layer 0, and fewest, 2, in layer 2.",
        ),
        (observed.balance(((0, 1.03), (2_000_000, 1.05), (3_000_000, 1.01))), "began at 1.030"),
        (observed.balance(((0, 1.03), (2_000_000, 1.05), (3_000_000, 1.01))), "after 2.00 million"),
        (why_experts.parameters(48, 48, 64, 64), "With all 64 experts a token uses all 48"),
        (why_experts.parameters(48_500_000, 15_500_000, 8, 64), "uses only 15.5 M"),
        (why_experts.parameters(48_500_000, 15_500_000, 8, 64), "3.1 times fewer"),
        (
            why_experts.held_out(0.53, 1.44, 0),
            "0.53 of its fair share and the most used 1.44; none",
        ),
        (why_experts.held_out(0.53, 1.44, 2), "2 are never used"),
        (
            next_token.agreement(("a", "a"), (0.4, 0.3), (8, 16)),
            "Both ks choose ‘a’, with 0.400 and",
        ),
        (
            next_token.agreement(("a", " b"), (0.4, 0.3), (8, 16)),
            f"{k_is(8)} chooses ‘a’, {k_is(16)} ‘·b’: from here two texts begin.",
        ),
    ],
)
def test_each_case_has_its_sentence(sentence: str, words: str) -> None:
    assert words in sentence


@pytest.mark.parametrize(
    ("token", "text"),
    [
        (" was", " was"),
        ("␊␊", "\n\n"),
        ("␉x", "\tx"),
        ("é", "é"),
        ("‹E2›", None),
        ("␀", None),
        ("", None),
    ],
)
def test_a_token_is_offered_where_its_text_says_what_it_adds(token: str, text: str | None) -> None:
    assert typed(token) == text


def markdown(test: AppTest) -> str:
    return "\n".join(each.value for each in test.markdown)


def test_the_first_token_is_explained_where_it_is_seen() -> None:
    special = "The first token is special"
    assert special in markdown(app("token=0&layer=8"))
    here = markdown(app("token=0&layer=0"))
    assert special not in here
    assert "Here that shows little" in here
    assert "first tokens share" not in markdown(app("token=1&layer=8"))
    assert "first tokens share" not in markdown(app("token=0&layer=8&k=16"))


def test_four_links_lead_to_texts_of_which_each_has_a_question_and_a_measurement() -> None:
    test = app("order=probability")
    links = re.findall(r"\[[^\]]+\?\]\((\?prompt=[^)]+&token=\d+&layer=\d+)\)", markdown(test))
    assert len(set(links)) == 4
    assert len(re.findall(r"share \d\.\d of 8 experts", markdown(test))) == 4
    opened = app(links[3][1:])
    assert "She had 7 apples" in opened.session_state["draft"]


def test_every_k_has_its_row_of_next_tokens() -> None:
    test = app("order=probability")
    assert {"with k = 8", "with k = 16"} <= {  # the space of k_is does not break
        caption.value.replace("\N{NO-BREAK SPACE}", " ") for caption in test.caption
    }
    assert any(text.value.startswith("Both ks choose ‘·lived’") for text in test.text)
    alone = checked(app("k=16&against=16"))
    assert not any("Both ks choose" in text.value for text in alone.text)


def test_the_second_k_runs_when_the_picture_of_the_first_is_drawn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    order: list[object] = []

    class Noted(Watched):
        def submit(self, request: Request, visitor: str = "") -> Ticket:
            order.append(str(getattr(request, "policy", request)))
            return super().submit(request, visitor)

    serve(monkeypatch, Noted())
    draw = load_panel.draw
    monkeypatch.setattr(load_panel, "draw", lambda *what: order.append("drawn") or draw(*what))
    test = app("prompt=Nobody+ran+this+before&k=3&against=5")
    assert order == ["k=3", "drawn", "k=5"]
    assert any("with k" in caption.value for caption in test.caption)
