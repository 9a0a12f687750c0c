"""The words, formulas and lines of code of the nine steps of Follow a token."""

from dataclasses import dataclass

from olmoe_viz.policy import Weighting


@dataclass(frozen=True)
class StepWords:
    """The words of one step.

    `formula` is LaTeX in parts that may stand below each other, `code` the lines that a reader
    could type, `terms` the words of the glossary that the step needs; `vectors` says that without a
    run the step shows no number.
    """

    number: int
    name: str
    sentence: str
    formula: tuple[str, ...]
    code: str
    terms: tuple[str, ...]
    vectors: bool = False


TOKENIZATION = StepWords(
    1,
    "Tokenization",
    "The text is cut into pieces of a fixed vocabulary. Each piece has a number, its id.",
    (r"\text{text} \to (t_1, \dots, t_T), \; t_i \in \{0, \dots, V - 1\}",),
    "trace = ov.trace(model, prompt)\ntrace.tokens, trace.token_ids, trace.token_bytes",
    terms=("token",),
)
EMBEDDING = StepWords(
    2,
    "Embedding",
    "The id selects one row of a table. This vector is the same wherever the token occurs.",
    (r"h^{0} = W_E[t] \in \mathbb{R}^{H}",),
    'trace = ov.trace(model, prompt, detail="full")\ntrace.hidden_states[0, token]',
    terms=("embedding", "residual stream", "norm"),
    vectors=True,
)
ATTENTION = StepWords(
    3,
    "Attention",
    "Each head looks back over the prompt and adds what it finds there to the token's vector.",
    (
        r"x = \operatorname{RMSNorm}(h)",
        r"q = R \operatorname{RMSNorm}(W_Q\,x)",
        r"K = R \operatorname{RMSNorm}(W_K\,x)",
        r"V = W_V\,x",
        (
            r"h \leftarrow h + W_O\,\big[\operatorname{softmax}(q_j K_j^{\top} / \sqrt{d})\, V_j"
            r"\big]_{j=1}^{\text{heads}}"
        ),
        r"\text{RMSNorm of } q, K \text{: over all heads at once}",
        r"R: \text{turned by position (RoPE)}",
    ),
    "from olmoe_viz.engine.engine import asking\n"
    "from olmoe_viz.requests import AttentionRequest\n"
    "ask = asking(ov.LocalEngine(model))\n"
    "ask(AttentionRequest(trace.request, layer, token, token + 1)).weights[:, 0]\n"
    "trace.attention_outputs[layer, token]",
    terms=("attention", "residual stream"),
    vectors=True,
)
ROUTER = StepWords(
    4,
    "Router",
    "A small matrix has one row for each expert. The normed vector is multiplied by each row: a "
    "larger number is a better match.",
    (
        r"x = \operatorname{RMSNorm}(h)",
        r"z = W_r\,x \in \mathbb{R}^{E} \quad \text{(no bias)}",
    ),
    "trace.router_logits[layer, token]\n"
    "ov.inspect(model, trace, layer, token, [policy]).router_cosines",
    terms=("router", "router logits"),
)
SOFTMAX = StepWords(
    5,
    "Softmax",
    "The logits become probabilities: one for each expert, with a sum of 1.",
    (r"p_i = \frac{e^{z_i}}{\sum_{j=1}^{E} e^{z_j}} \quad \text{(temperature 1)}",),
    "ov.routing.probabilities(trace.router_logits)[layer, token]\n"
    "ov.routing.entropy(ov.routing.probabilities(trace.router_logits))",
    terms=("softmax", "router probabilities", "entropy"),
)
TOP_K = StepWords(
    6,
    "Top k",
    "Only the k most probable experts run for this token. The probability of the others is "
    "dropped.",
    (r"S_k = \text{the } k \text{ largest of } p", r"M_k = \textstyle\sum_{i \in S_k} p_i"),
    "p = ov.routing.probabilities(trace.router_logits)\n"
    "trace.expert_ids[layer, token], trace.weights[layer, token]\n"
    "ov.routing.mass(p, trace.expert_ids), ov.routing.margin(p, policy.k)",
    terms=("top-k", "retained mass", "margin"),
)
DROPPED: dict[Weighting, str] = {
    "native": "Native weights put nothing in its place.",
    "renormalized": "Renormalized weights scale up the kept probabilities until they sum to 1.",
    "gain_anchored": (
        "Gain-anchored weights scale the kept probabilities until they sum to what the trained k "
        "keeps."
    ),
}
EXPERTS = StepWords(
    7,
    "Experts",
    "Each selected expert is a small network of its own. All of them read the same vector, and "
    "each turns it into another one.",
    (
        (
            r"E_i(x) = W_i^{\text{down}} \big( \operatorname{silu}(W_i^{\text{gate}} x) \odot "
            r"W_i^{\text{up}} x \big)"
        ),
    ),
    "seen = ov.inspect(model, trace, layer, token, [policy])\n"
    "seen.ids, seen.outputs, seen.active_shares",
    terms=("expert", "hidden state"),
    vectors=True,
)
COMBINATION = StepWords(
    8,
    "Weighted combination",
    "Each output is multiplied by its routing weight. The sum of them is added to the vector that "
    "came in.",
    (
        r"y = \textstyle\sum_{i \in S_k} w_i\,E_i(x)",
        r"h \leftarrow 1 \cdot h + y",
    ),
    "seen = ov.inspect(model, trace, layer, token, [policy, other_policy])\n"
    "seen.weights @ seen.outputs, seen.block_outputs, seen.largest_differences",
    terms=("routing weights", "gain", "gain-anchored"),
    vectors=True,
)
WEIGHTS: dict[Weighting, str] = {
    "native": r"w_i = p_i",
    "renormalized": r"w_i = p_i / \textstyle\sum_{j \in S_k} p_j",
    "gain_anchored": r"w_i = p_i\,M_{%d} / M_k",
}
PREDICTION = StepWords(
    9,
    "Prediction",
    "After the last block the vector is multiplied by one row for each token of the vocabulary, "
    "and softmax turns the results into probabilities.",
    (
        r"\ell = W_U \operatorname{RMSNorm}(h^{L}) \in \mathbb{R}^{V}",
        r"P(t) = \frac{e^{\ell_t}}{\sum_{v=1}^{V} e^{\ell_v}}",
    ),
    "from olmoe_viz.engine.engine import asking\n"
    "from olmoe_viz.requests import LensRequest, PredictRequest\n"
    "ask = asking(ov.LocalEngine(model))\n"
    "ask(PredictRequest(trace.request, (token,))), ask(LensRequest(trace.request, token))\n"
    "trace.next_probabilities()",
    terms=("logits", "logit lens", "KL divergence"),
    vectors=True,
)
