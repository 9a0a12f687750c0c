"""What the application shows, what k costs, and what it cannot tell."""

import pandas as pd
import streamlit as st

from olmoe_viz.numerics.costs import active_parameters, bytes_per_token, total_parameters
from olmoe_viz.numerics.geometry import OLMOE_1B_7B
from olmoe_viz.ui.frame import navigation
from olmoe_viz.ui.widgets import panel
from olmoe_viz.ui.widgets.wording import billions


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
    "**derived** follows from a formula, **quoted** was measured or said by others."
)
panel.head("What k costs in OLMoE-1B-7B", "derived", "OLMoE-1B-7B, 6.92 B parameters in all.")
st.table(costs_table(), border="horizontal", width="content")
with st.container(horizontal=True, gap="medium"):
    st.page_link("pages/quality.py", label="Does a larger k predict better?")
    st.page_link("pages/glossary.py", label="What the words mean")
st.subheader("The bundled model", anchor=False)
st.markdown(
    "olmoe-nano has OLMoE's 16 layers of 64 experts, each much narrower. This project trained it, "
    "not the authors of OLMoE. It writes simple stories and continues Python, LaTeX, French, "
    "German and Spanish. Its card in `olmoe_viz/models/olmoe-nano` has the data with licences, the "
    "recipe and all measurements."
)
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
