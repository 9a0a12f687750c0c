import re

import pytest

from olmoe_viz.ui import glossary
from olmoe_viz.ui.texts.glossary import TERMS


def test_every_term_has_one_or_two_plain_sentences() -> None:
    for name, meaning in TERMS.items():
        sentences = re.split(r"(?<=\.)\s+(?=[A-Z0-9])", meaning)
        assert 1 <= len(sentences) <= 2, name
        assert meaning.endswith("."), name
        assert not re.search(r"[$<*_`\[\]]", meaning), name


def test_no_term_stands_twice() -> None:
    slugs = [glossary.slug(name) for name in TERMS]
    assert len(set(slugs)) == len(slugs)
    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", slug) for slug in slugs)


def test_the_words_of_the_field_are_there() -> None:
    wanted = (
        "router, expert, top-k, router logits, router probabilities, routing weights, "
        "retained mass, margin, load, co-activation, logit lens, active parameters, prefill, "
        "decode, gain, renormalized, gain-anchored, drift, entropy, KL divergence, perplexity, "
        "bits per byte, saturation, residual stream"
    )
    assert set(wanted.split(", ")) <= set(TERMS)


def test_a_help_text_and_a_link_name_the_same_term() -> None:
    assert glossary.term("retained mass").startswith("The sum of the k largest")
    assert glossary.link("retained mass") == "[retained mass](glossary#retained-mass)"
    assert glossary.link("KL divergence") == "[KL divergence](glossary#kl-divergence)"


def test_a_word_that_is_missing_is_an_error() -> None:
    for ask in (glossary.term, glossary.link):
        with pytest.raises(KeyError):
            ask("knowledge")


def test_the_page_lists_from_a_to_z() -> None:
    names = glossary.alphabetical()
    assert names[:2] == ["activation patching", "active parameters"]
    assert names.index("KL divergence") < names.index("layer")
    assert set(names) == set(TERMS)
