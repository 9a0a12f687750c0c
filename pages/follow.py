"""Follow a token: nine steps from text to the next token, and what changes with more experts."""

from pathlib import Path

import streamlit as st

from olmoe_viz.ui import follow
from olmoe_viz.ui.follow import (
    attention_step,
    bar,
    expert_steps,
    more_experts,
    prediction_step,
    router_steps,
    story,
    text_steps,
)
from olmoe_viz.ui.frame import navigation
from olmoe_viz.ui.widgets.rail import rail

NAMES = [
    text_steps.TOKENIZATION.name,
    text_steps.EMBEDDING.name,
    attention_step.ATTENTION.name,
    router_steps.ROUTER.name,
    router_steps.SOFTMAX.name,
    router_steps.TOP_K.name,
    expert_steps.EXPERTS.name,
    expert_steps.COMBINATION.name,
    prediction_step.PREDICTION.name,
    more_experts.NAME,
]

navigation.through_app()
st.html(Path(follow.__file__).with_name("follow.css"))
told = story.begin()
if told is not None:
    bar.draw(told)
    bar.offer(told)
    with st.container(horizontal=True, wrap=False, gap="large", key="follow_page"):
        with st.container(width=170, key="follow_left"), st.container(key="follow_rail"):
            rail(NAMES, key="rail")
        with st.container(key="follow_story", gap="medium"):
            bar.journey(told)
            text_steps.tokenization(told)
            text_steps.embedding(told)
            attention_step.attention(told)
            router_steps.router(told)
            router_steps.softmax(told)
            router_steps.top_k(told)
            expert_steps.experts(told)
            expert_steps.combination(told)
            prediction_step.prediction(told)
            more_experts.draw(told)
