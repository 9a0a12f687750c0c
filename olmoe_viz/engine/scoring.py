"""How probable a given text is under each policy, and how far each is from a reference."""

import time
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from olmoe_viz.engine.inputs import check_policies, encode
from olmoe_viz.engine.prompt import OnProgress, read
from olmoe_viz.engine.provenance import provenance
from olmoe_viz.engine.runner import Runner, runner_of
from olmoe_viz.models.model import Model
from olmoe_viz.policy import RoutingPolicy
from olmoe_viz.records.scores import Scores
from olmoe_viz.requests import ScoreRequest

# Tokens at a time: bounds the log-probabilities of the whole vocabulary, several of 8 bytes each,
# to a gigabyte for OLMoE.
_PIECE = 256


def score(model: Model, request: ScoreRequest, on_progress: OnProgress) -> Scores:
    """Give a text to every policy, and to the reference where there is one.

    All policies read each part of the text together, as rows of one batch. Takes
    8 * vocab * (tokens of a part) bytes for each of two policies. Raises InputError for a text or
    a policy that does not fit the model.
    """
    reference = [] if request.reference is None else [request.reference]
    policies = [*reference, *request.policies]
    check_policies(model, policies)
    ids = encode(model, request.text)
    start = time.perf_counter()
    arrays = _run(model, ids, policies, on_progress, referenced=bool(reference))
    return Scores(
        request=request,
        tokens=len(ids),
        geometry=model.geometry,
        provenance=provenance(model, time.perf_counter() - start),
        token_ids=np.array(ids, dtype=np.int64),
        token_sizes=np.array([len(model.token_bytes.of(token)) for token in ids], dtype=np.int64),
        **arrays,
    )


@torch.inference_mode()
def _run(
    model: Model,
    ids: list[int],
    policies: list[RoutingPolicy],
    on_progress: OnProgress,
    *,
    referenced: bool,
) -> dict[str, NDArray[Any]]:
    """Return negative log-likelihoods and, against the first policy, divergence and agreement."""
    runner = runner_of(model)
    state, plan = runner.open(len(policies), len(ids)), runner.plan(policies)
    measured = []
    done = 0
    for hidden, _ in read(model, state, ids, plan, on_progress):
        for piece in torch.split(hidden, _PIECE, dim=1):
            following = torch.tensor(
                ids[done + 1 : done + 1 + piece.shape[1]], device=hidden.device
            )
            measured.append(_part(runner, piece, following, referenced=referenced))
            done += piece.shape[1]
    return {name: np.concatenate([part[name] for part in measured], axis=1) for name in measured[0]}


def _part(
    runner: Runner, hidden: Tensor, following: Tensor, *, referenced: bool
) -> dict[str, NDArray[Any]]:
    """Measure every row of a part; `following` are the next tokens, one fewer at the end."""
    said = None
    if referenced:
        said = runner.readout(hidden[0]).double().log_softmax(-1)
    rows = [
        _row(runner.readout(row).double().log_softmax(-1), following, said)
        for row in hidden[int(referenced) :]
    ]
    return {name: np.stack([row[name].cpu().numpy() for row in rows]) for name in rows[0]}


def _row(found: Tensor, following: Tensor, reference: Tensor | None) -> dict[str, Tensor]:
    """Measure log-probabilities [tokens, vocab] against the tokens that follow."""
    of_next = found[: len(following)].gather(1, following.unsqueeze(1)).squeeze(1)
    measures = {"nll": -of_next}
    if reference is not None:
        divergence = (reference.exp() * (reference - found)).sum(-1)
        measures["kl"] = divergence.clamp(min=0)  # rounding alone takes it below
        measures["same_top"] = (found.argmax(-1) == reference.argmax(-1)).to(torch.uint8)
    return measures
