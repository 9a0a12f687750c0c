"""Effects over a corpus: a tidy table in Parquet that a broken run goes on with.

One file for each document, written whole or not at all, beside a manifest that says what the table
is. Processes share documents out among themselves; what a document's rows are does not depend on
who measures them.
"""

import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd

from olmoe_viz import json_form
from olmoe_viz.engine.compiling import wait_for_compiled_to_branch
from olmoe_viz.engine.effects import effects
from olmoe_viz.engine.inputs import check_policies, encode
from olmoe_viz.engine.provenance import provenance
from olmoe_viz.errors import InputError
from olmoe_viz.models.model import Model
from olmoe_viz.policy import RoutingPolicy
from olmoe_viz.records.effects import Effects
from olmoe_viz.requests import EffectsRequest, TraceRequest

MANIFEST = "_manifest.json"  # readers of Parquet pass over names that begin so
FORM = "olmoe-viz ablation 1"
_MATCHED = {
    "matched_token": "matched_tokens",
    "matched_expert": "matched_ids",
    "matched_weight": "matched_weights",
    "matched_kl": "matched_kl",
}
_CELLS = 64  # of one request: bounds what is kept of a document before it is written


@dataclass(frozen=True)
class AblationPlan:
    """What is measured of each document.

    Of `tokens` tokens, drawn by the `seed`, or of all with None, every cell in `layers` (counted
    over all blocks; None for every layer of experts). The rest is as in `EffectsRequest`. Without a
    policy the model routes as trained.
    """

    tokens: int | None = 4
    layers: tuple[int, ...] | None = None
    policy: RoutingPolicy | None = None
    away: Literal["off", "route_around"] = "off"
    read: Literal["own", "last"] = "own"
    controls: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        if self.tokens is not None and self.tokens < 1:
            raise InputError(f"Measure at least 1 token of a document; not {self.tokens}.")


class Ablated(NamedTuple):
    """How far the work of this process is: documents, and seconds since it began and to go."""

    done: int
    total: int
    seconds: float
    left: float


def ablate(
    model: Model,
    texts: Iterable[str],
    plan: AblationPlan,
    folder: str | os.PathLike[str],
    progress: Callable[[Ablated], None] | None = None,
) -> Path:
    """Measure the effects of a plan on every text; return the folder with the table.

    `pandas.read_parquet(folder)` reads it: a row is one expert of one cell. A folder in which the
    same work was begun is gone on with, document by document. Started by `accelerate launch`, each
    process takes its share of the documents, and returns when all are through. `progress` is called
    after each document, and may raise to end the work.

    Raises InputError for a plan or a text that does not fit the model, and for a folder that holds
    another table; OSError from the file system.
    """
    documents, folder = list(texts), Path(folder)
    plan_policy = plan.policy or RoutingPolicy(model.geometry.trained_k)
    check_policies(model, [plan_policy])
    _begin(folder, _manifest(model, documents, plan, plan_policy))
    number, processes, wait = _process(model)
    mine = range(number, len(documents), processes)
    missing = [each for each in mine if not _file(folder, each).exists()]
    wait_for_compiled_to_branch(model)  # so that equal documents have equal rows, to the bit
    started = time.perf_counter()
    for done, document in enumerate(missing, start=1):
        run = TraceRequest(model.name, documents[document], plan_policy)
        rows = pd.concat(_rows(model, run, plan, document), ignore_index=True)
        written = folder / f".{_file(folder, document).name}.{os.getpid()}"
        rows.to_parquet(written, index=False)
        written.replace(_file(folder, document))
        if progress is not None:
            seconds = time.perf_counter() - started
            left = seconds / done * (len(missing) - done)
            progress(Ablated(len(mine) - len(missing) + done, len(mine), seconds, left))
    wait()
    return folder


def manifest(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """Return what the table in a folder is; InputError when there is none, OSError."""
    path = Path(folder) / MANIFEST
    try:
        found = json.loads(path.read_text("utf-8"))
    except (FileNotFoundError, ValueError):
        found = None
    if not isinstance(found, dict) or found.get("form") != FORM:
        raise InputError(f"{path.parent.name} holds no table of effects.")
    return found


def _manifest(
    model: Model, documents: Sequence[str], plan: AblationPlan, policy: RoutingPolicy
) -> dict[str, Any]:
    made = provenance(model, 0.0)
    texts = sha256(json.dumps(documents).encode()).hexdigest()
    return {
        "form": FORM,
        "model": model.name,
        "revision": made.revision,
        "digest": model.digest,
        "dtype": made.dtype,
        "plan": json_form.encode_fields(plan) | {"policy": str(policy)},
        "lost_mass": policy.lost_mass,
        "documents": len(documents),
        "texts": f"sha256:{texts}",
        "versions": dict(made.versions),
    }


def _begin(folder: Path, wanted: Mapping[str, Any]) -> None:
    """Write the manifest, or hold the one that is there against it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / MANIFEST
    written = folder / f".{MANIFEST}.{os.getpid()}"
    written.write_text(json.dumps(wanted, indent=1), "utf-8")
    try:
        os.link(written, path)  # fails where another process was first
    except FileExistsError:
        found = manifest(folder)
        other = [name for name in wanted if found.get(name) != wanted[name]]
        if other:
            raise InputError(
                f"{folder.name} holds a table with another {' and '.join(other)}. Choose another "
                "folder."
            ) from None
    finally:
        written.unlink()


def _file(folder: Path, document: int) -> Path:
    return folder / f"document-{document:06}.parquet"


def _process(model: Model) -> tuple[int, int, Callable[[], object]]:
    """Return this process's number, how many there are, and how to wait for the others."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return 0, 1, lambda: None
    from accelerate import PartialState  # type: ignore[import-untyped]

    state = PartialState(cpu=model.device.type == "cpu")
    return state.process_index, state.num_processes, state.wait_for_everyone


def _rows(
    model: Model, run: TraceRequest, plan: AblationPlan, document: int
) -> Iterator[pd.DataFrame]:
    """Yield the rows of some cells after the other."""
    try:
        tokens = len(encode(model, run.text))
    except InputError as error:
        raise InputError(f"Document {document}: {error}") from None
    chosen = np.arange(tokens)
    if plan.tokens is not None and plan.tokens < tokens:
        draw = np.random.default_rng([plan.seed, document])
        chosen = np.sort(draw.choice(tokens, plan.tokens, replace=False))
    layers = model.geometry.layer_ids if plan.layers is None else plan.layers
    cells = [(layer, token) for layer in layers for token in chosen.tolist()]
    for start in range(0, len(cells), _CELLS):
        some = tuple(cells[start : start + _CELLS])
        request = EffectsRequest(
            run, some, plan.away, plan.read, controls=plan.controls, seed=plan.seed
        )
        yield table(effects(model, request, _silent), document)


def table(found: Effects, document: int = 0) -> pd.DataFrame:
    """Return effects as a table: a row is one expert of one cell.

    `rank` is that of the expert's weight in its cell, from 1; `kl` and `logprob_change` are as in
    `Effects`, `top_rank` is the rank of the run's likeliest token without the expert. The controls
    have the nearest expert of another token, `matched_*`, and the 2.5th and 97.5th percentile of
    the random directions' KL.
    """
    used = found.expert_ids >= 0
    rows, columns = np.nonzero(used)
    cells = np.array(found.request.cells)[rows]
    values: dict[str, Any] = {
        "document": np.full(len(rows), document, np.int32),
        "token": cells[:, 1].astype(np.int32),
        "layer": cells[:, 0].astype(np.int16),
        "expert": found.expert_ids[used],
        "weight": found.weights[used],
        "rank": (columns + 1).astype(np.int16),
        "share": found.shares[used],
        "kl": found.kl[used],
        "logprob_change": found.logprob_changes[used],
        "top_rank": found.ranks[used].astype(np.int32),
        "top_changed": found.tops_changed[used],
    }
    if found.request.controls:
        low, high = found.band()
        values |= {name: getattr(found, field)[used] for name, field in _MATCHED.items()}
        values |= {"random_low": low[used], "random_high": high[used]}
    return pd.DataFrame(values)


def _silent(_: int, __: int) -> None:
    """Tell nobody: a document is through in a moment."""
