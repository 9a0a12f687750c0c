"""What the application shows, what its words mean, and what it cannot tell."""

import pandas as pd
import streamlit as st

from olmoe_viz.costs import OLMOE_1B_7B, active_parameters, bytes_per_token, total_parameters
from olmoe_viz.ui import navigation, panel
from olmoe_viz.ui.text import billions

TERMS = {
    "Expert": "One of 64 small feed-forward networks in each of the 16 layers.",
    "Router": "A matrix that gives every expert a score for a token; softmax turns the 64 scores "
    "into probabilities. In the files its weights are called gate.",
    "k": "How many experts a token uses in a layer. OLMoE was trained with 8.",
    "Retained mass": "The sum of the k largest router probabilities, also called coverage. What "
    "is left is dropped; nothing replaces it.",
    "Margin": "The probability of the k-th expert minus that of the next: how clear the cut is.",
    "Entropy": "How evenly the router spreads its probability, in nats. 64 equal shares have 4.16.",
    "Drift": "How many of the experts differ between two ks, because earlier layers changed what "
    "the router sees.",
    "Load": "The share of tokens that use an expert. The fair share is k / 64.",
    "Weights": "Native weights are the router probabilities as trained, so they sum to less than "
    "1. Renormalized weights are scaled to sum to 1, gain-anchored ones to what the trained k "
    "gives. They tell more experts apart from more gain.",
    "Active parameters": "The parameters that one token uses, with k experts in each layer.",
}
QUOTED = (
    "Measured by others on OLMoE-1B-7B-0924 with native weights, perplexity on WikiText-2 rises "
    "from 16.8 at k = 8 to 17.6 at 16, 22.0 at 32 and 52.5 at 64: past the trained k, more experts "
    "made the text worse. Compare k lets you see whether that holds for your prompt."
)


def costs_table() -> pd.DataFrame:
    """What a token of the real OLMoE costs for each k, by formula."""
    total = total_parameters(OLMOE_1B_7B)
    ks = (1, 4, 8, 16, 32, 64)
    return pd.DataFrame(
        {
            "active parameters": [billions(active_parameters(OLMOE_1B_7B, k)) for k in ks],
            "share of all": [f"{active_parameters(OLMOE_1B_7B, k) / total:.1%}" for k in ks],
            "read per token, bf16": [f"{bytes_per_token(OLMOE_1B_7B, k) / 1e9:.2f} GB" for k in ks],
        },
        index=pd.Index(ks, name="k"),
    )


navigation.through_app()
st.header("What this is", anchor=False)
st.markdown(
    "OLMoE is a language model that keeps 64 experts in each layer and uses only k of them for a "
    "token. Here you see which ones, how sure the router was, and what changes when k does. The "
    "bundled model olmoe-nano has the same architecture at a size that runs on any machine; its "
    "texts are simple, its routing is real."
)
st.markdown(
    "Every number says where it is from: **live** was computed now, **recorded** earlier, "
    "**derived** follows from a formula, **quoted** was published by others."
)
panel.head("What k costs in OLMoE-1B-7B", "derived", "OLMoE-1B-7B, 6.92 B parameters in all.")
st.table(costs_table(), width="content")
panel.head("Does a larger k write better?", "quoted", "First 500 non-empty lines, fp16.")
st.markdown(QUOTED)
st.subheader("Words", anchor=False)
for term, meaning in TERMS.items():
    st.markdown(f"**{term}.** {meaning}")
st.subheader("What it cannot tell", anchor=False)
st.markdown(
    "An expert that fires often on a kind of text is correlated with it; that is no proof that it "
    "does anything in particular. One prompt is one prompt: differences between two ks on it are "
    "an example and no measurement of quality. The bundled model is small and knows little."
)
st.subheader("Papers", anchor=False)
st.markdown(
    "Muennighoff et al. 2024, OLMoE: Open Mixture-of-Experts Language Models, arXiv 2409.02060."
)
