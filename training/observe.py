"""Observe the bundled model's routing on a few texts; the pages tell what is found.

    python -m training.observe

Writes `olmoe_viz/data/observed.json`: how alike the first tokens of many texts are routed, what two
tokens of each suggested experiment share, and the load-balancing loss of the training curve. Takes
some seconds on a CPU.
"""

import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import olmoe_viz as ov
from olmoe_viz.analysis.observed import RECORDED, Observed, experiment, mean_alike
from olmoe_viz.models.model import Model
from olmoe_viz.records.trace import Trace

CURVE = Path(__file__).with_name("curve.jsonl")
# Of all ten domains, no two of which begin or end with the same token.
TEXTS = (
    "Once upon a time there was a little robot",
    "My dog runs after the ball",
    "The Danube is a river in Europe",
    "Paris became the capital of the kingdom",
    "def add(a, b):\n    return a",
    "import os\nfrom pathlib import Path",
    "Let $x$ be a real number",
    "Proof. Suppose that $n$ is even",
    "“Where are you going?” said John",
    "Yes, I think that you should come tomorrow",
    "Il était une fois une petite fille",
    "Nous avons vu la mer hier soir",
    "Es war einmal ein alter König",
    "Wir gehen heute in die Stadt",
    "Había una vez un pequeño perro",
    "Los niños juegan en la calle",
    "Section 4 of this Act applies to persons",
    "Any person who violates the regulation",
    "We measured the temperature of the cells",
    "Results show a significant effect",
)
# Name, text, and the two pieces of it that are compared, each with its occurrence from 0.
EXPERIMENTS = (
    ("meanings", "The boat lay on the bank of the river. She put her money in the bank",
     ("bank", 0), ("bank", 1)),
    ("bracket", "He smiled (she did not) and left.\n\ndef f(x):\n    return print(x)",
     ("(", 0), ("(", 2)),
    ("french", "The waiter said je ne sais pas and went back to the kitchen",
     (" ne", 0), (" back", 0)),
    ("number", "She had 7 apples and seven pears in her basket", ("7", 0), (" seven", 0)),
)  # fmt: skip


def place(trace: Trace, piece: str, occurrence: int) -> int:
    """Return the token that ends with a piece, the n-th of them; ValueError where there is none."""
    found = [at for at, token in enumerate(trace.tokens) if token.endswith(piece)]
    if occurrence >= len(found):
        raise ValueError(f"{piece!r} ends no token {occurrence} of {trace.tokens}.")
    return found[occurrence]


def observe(model: Model) -> Observed:
    """Run the texts and measure."""
    traces = [ov.trace(model, text) for text in TEXTS]
    experiments = []
    for name, text, one, other in EXPERIMENTS:
        trace = ov.trace(model, text)
        experiments.append(experiment(name, trace, (place(trace, *one), place(trace, *other))))
    rows: list[dict[str, Any]] = [
        json.loads(line) for line in CURVE.read_text(encoding="utf-8").splitlines()
    ]
    return Observed(
        digest=model.digest,
        date=datetime.now(tz=UTC).date().isoformat(),
        texts=len(TEXTS),
        first=tuple(mean_alike([(trace, 0) for trace in traces]).round(4).tolist()),
        last=tuple(
            mean_alike([(trace, len(trace.tokens) - 1) for trace in traces]).round(4).tolist()
        ),
        experiments=tuple(experiments),
        balance=tuple((row["tokens"], round(row["balance"], 4)) for row in rows),
    )


if __name__ == "__main__":
    found = asdict(observe(ov.load_model("olmoe-nano")))
    RECORDED.write_text(json.dumps(found, ensure_ascii=False) + "\n", encoding="utf-8")
