"""Record the runs that come with the package: five texts at k = 8 and 16, and one text's norms.

    python -m training.record

Runs the bundled model and replaces `runs` and `stream.json` in `olmoe_viz/data`. The application
opens on one of the runs and shows all of them where no model can run. Takes a few seconds on a CPU.
"""

from pathlib import Path

import olmoe_viz as ov
from olmoe_viz.analysis.stream import RECORDED, save
from olmoe_viz.engine.recorded import RUNS
from olmoe_viz.models.model import Model
from olmoe_viz.ui.frame.frame import EXAMPLES

KS = (8, 16)
TEXTS = {
    "story": EXAMPLES["Story"],
    "encyclopedia": "The Danube is a river in Europe. It rises in the Black Forest and flows",
    "python": EXAMPLES["Python"],
    "latex": EXAMPLES["LaTeX"],
    "french-german": "Il était une fois un vieux roi. Es war einmal ein alter König, der",
}


def record(model: Model, folder: Path = RUNS) -> None:
    """Replace the runs in a folder by new ones of the model."""
    folder.mkdir(exist_ok=True)
    for old in folder.glob("*.safetensors"):
        old.unlink()
    for name, text in TEXTS.items():
        for k in KS:
            ov.trace(model, text, ov.RoutingPolicy(k)).save(folder / f"{name}-k{k}.safetensors")


def record_stream(model: Model, path: Path = RECORDED) -> None:
    """Replace what attention and experts add to the text that the application opens on."""
    save(ov.trace(model, TEXTS["story"], ov.RoutingPolicy(8), "full"), path)


if __name__ == "__main__":
    nano = ov.load_model("olmoe-nano")
    record(nano)
    record_stream(nano)
