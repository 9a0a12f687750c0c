"""The words of About."""

TITLE = "What this is"
WHAT_THIS_IS = (
    "OLMoE is a language model that keeps 64 experts in each layer and uses only k of them for a "
    "token. Here you see which ones, how sure the router was, and what changes when k does. The "
    "bundled model olmoe-nano has the same architecture at a size that runs on any machine. It "
    "writes simple texts; its routing is that of a trained model."
)
ORIGINS = (
    "Every number says where it is from: **live** was computed for you, **recorded** was computed "
    "earlier and stored, **derived** follows from a formula, **quoted** was measured or said by "
    "others."
)
COSTS = "What k costs in OLMoE-1B-7B"
COSTS_DETAILS = "OLMoE-1B-7B, 6.92 B parameters in all."
K, ACTIVE, SHARE, READ = "k", "active parameters", "share of all", "read per token, bf16"
TO_QUALITY = "Does a larger k predict better?"
TO_GLOSSARY = "What the words mean"
PARTS = {
    "The bundled model": (
        "olmoe-nano has OLMoE's 16 layers of 64 experts, each much narrower. This project trained "
        "it, not the authors of OLMoE. It writes simple stories and continues Python, LaTeX, "
        "French, German and Spanish. Its card in `olmoe_viz/models/olmoe-nano` has the data with "
        "licenses, the recipe and all measurements."
    ),
    "What it cannot tell": (
        "That an expert is used often for a kind of text does not prove that it does anything "
        "particular for it. One prompt is an example: how two ks differ on it is no measurement of "
        "quality. The bundled model is small and knows little."
    ),
    "Papers": (
        "Muennighoff et al. 2024, OLMoE: Open Mixture-of-Experts Language Models, "
        "[arXiv 2409.02060](https://arxiv.org/abs/2409.02060)."
    ),
}

SETTINGS_TITLE = "What this server allows"
SETTINGS_SOURCE = "Set by this server's operator, or the defaults."
SETTING, VALUE = "setting", "here"
# Each setting of `olmoe_viz/settings.py` but the token.
SETTINGS = {
    "prompt_tokens": "tokens of a prompt",
    "new_tokens": "tokens of a text",
    "columns": "texts side by side",
    "rows": "texts written at once, of all visitors",
    "cache_mb": "MB for their keys and values",
    "kept_mb": "MB for answers that are kept",
    "line_length": "requests in line",
    "requests_per_minute": "requests of a visitor in a minute",
    "idle_seconds": "seconds until an idle large model is given back",
    "rooms": "rooms of classes that guess together",
    "models": "models",
    "loaders": "who may load a large model",
    "visitors": "who may see the pages",
    "engine": "where models run",
    "runs": "folder of recorded runs",
}
ENGINES = {"here": "in this process", "child": "in a process of their own"}
ELSEWHERE = "on another machine"
SOME_PEOPLE, EVERYBODY = "some people", "everyone"
THERE, NONE = "there is one", "none"
