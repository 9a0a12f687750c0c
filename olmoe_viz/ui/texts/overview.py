"""The words in the overview of the model. Braces hold what the browser knows."""

from collections.abc import Mapping, Sequence

# What the overview starts with (overview.html).
HTML: Mapping[str, str] = {
    "label": "Overview of the model",
    "text": "text",
    "embedding": "embedding",
    "attention": "attention",
    "router": "router",
    "experts": "experts",
    "norm": "norm",
    "prediction": "next token",
    "stream": "Norm of the residual stream from layer to layer, on a logarithmic scale",
    "first_sign": "|←",
    "back_sign": "←",
    "on_sign": "→",
    "first": "To the beginning",
    "back": "One step back",
    "on": "One step on",
    "place": "Place in the model",
}
# What its script says. Each stage has its sentence; those without the norms that only a run with
# all vectors has are named `..._alone`.
SCRIPT: Mapping[str, str | Sequence[str]] = {
    "play": "Play",
    "pause": "Pause",
    "before": "before layer {first}",
    "layer": "layer {layer}, of {first} to {last}",
    "after": "after layer {last}",
    "times": "{layers} times",
    "stream": "norm of the residual stream, log scale; layer below",
    "opens": "{part}: open step {step}",
    "id": "id {id}",
    "norm": "norm {norm}",
    "adds": "adds {norm}",
    "kept": "{k} of {experts} keep {mass}",
    "strongest": "{layer}·{expert} leads, {probability}",
    "in_text": "‘{next}’ follows",
    "text": "The text is cut into tokens. This one, ‘{token}’, has the id {id}.",
    "embedding": "The id selects one row of a table: a vector, here of norm {norm}.",
    "attention": (
        "{place}. Attention looks back at the tokens before and adds what it finds, norm {added}. "
        "The vector has norm {before} before that and {between} after it."
    ),
    "attention_alone": (
        "{place}. Attention looks back at the tokens before and adds what it finds. The vector has "
        "norm {before} before that."
    ),
    "router": (
        "{place}. The router gives each of {experts} experts a probability. The strongest, "
        "{layer}·{expert}, gets {probability}."
    ),
    "experts": (
        "{place}. Only the {k} strongest run; together they had {mass} of the probability. What "
        "they add has norm {added}. The vector has norm {between} before that and {after} after it."
    ),
    "experts_alone": (
        "{place}. Only the {k} strongest run; together they had {mass} of the probability. After "
        "them the vector has norm {after}."
    ),
    "final": "After the last layer the vector, norm {norm}, is scaled to a fixed length.",
    "prediction": (
        "The vector is compared with every token of the vocabulary: ‘{next}’ comes next with "
        "probability {probability}."
    ),
    "prediction_in_text": (
        "The vector is compared with every token of the vocabulary. In this text ‘{next}’ follows; "
        "the last token shows a prediction."
    ),
}
