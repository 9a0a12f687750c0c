"""Write the pairs of texts that a class compares without knowing their k.

    python -m training.blind

Each pair continues one prompt, greedily, with the trained k and with another one.
"""

import json
from datetime import UTC, datetime
from typing import Any

import olmoe_viz as ov
from olmoe_viz.analysis.blind import FILE
from olmoe_viz.models.model import Model

NEW_TOKENS = 60
STORY, DOG = (
    "Once upon a time there was a little robot who",
    "One morning a small dog found a red box",
)
PAIRS = ((STORY, 64), (DOG, 2), (DOG, 16))


def pair(model: Model, prompt: str, other: int, tokens: int = NEW_TOKENS) -> dict[str, Any]:
    """The two continuations of a prompt: ks and texts, the trained k first."""
    ks = [model.geometry.trained_k, other]
    runs = ov.compare(model, prompt, [ov.RoutingPolicy(k) for k in ks], max_new_tokens=tokens)
    return {"prompt": prompt, "ks": ks, "texts": [run.text for run in runs]}


def main() -> None:
    """Run from the command line."""
    model = ov.load_model()
    found = {
        "digest": model.digest,
        "date": datetime.now(UTC).date().isoformat(),
        "pairs": [pair(model, prompt, other) for prompt, other in PAIRS],
    }
    FILE.write_text(json.dumps(found, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
