"""Activation patching: what one run predicts with a part of another in its place."""

import time
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from olmoe_viz.engine.branches import Trunk, check_cell
from olmoe_viz.engine.differences import difference, logprob
from olmoe_viz.engine.forks import Fork, Put, Variant
from olmoe_viz.engine.inputs import check_place, check_policies, encode
from olmoe_viz.engine.prompt import OnProgress
from olmoe_viz.engine.provenance import provenance
from olmoe_viz.errors import InputError
from olmoe_viz.models.model import Model
from olmoe_viz.records.patches import Patches
from olmoe_viz.records.tokens import display_token
from olmoe_viz.requests import Patch, PatchRequest


def patch(model: Model, request: PatchRequest, on_progress: OnProgress) -> Patches:
    """Put each patch of the source into the target in turn; both texts are read once.

    Raises InputError for texts of unequal length, for a patch or a policy that does not fit the
    model, and for a model whose parts cannot be changed.
    """
    start = time.perf_counter()
    runs = request.source, request.target
    check_policies(model, [run.policy for run in runs])
    texts = [encode(model, run.text) for run in runs]
    if len(texts[0]) != len(texts[1]):
        raise InputError(
            f"The source has {len(texts[0])} tokens and the target {len(texts[1])}: tokens are "
            "exchanged one for one, so both need equally many."
        )
    for each in request.patches:
        _check(model, each, len(texts[1]))
    source, target = (
        Trunk(model, ids, run.policy, on_progress) for ids, run in zip(texts, runs, strict=True)
    )
    ends = source.end(), target.end()
    tops = [int(logits.argmax()) for logits in ends]
    # Branches go layer by layer, whatever the order of the request.
    order = sorted(range(len(request.patches)), key=lambda at: _place(request.patches[at]))
    forks = [_fork(model, request.patches[at], source, target) for at in order]
    logprobs, kl = np.zeros((len(forks), 2)), np.zeros(len(forks))
    new_tops = np.zeros(len(forks), np.int64)
    for found in target.grow(forks, 1, on_progress):
        at, logits = order[found.fork], found.found[0, 0]
        logprobs[at] = [logprob(logits, token) for token in tops]
        away = difference(ends[0], logits.unsqueeze(0))
        kl[at], new_tops[at] = away.kl[0], away.tops[0]
    return Patches(
        request=request,
        top_tokens=tuple(display_token(model.token_bytes.of(token)) for token in tops),
        run_kl=float(difference(ends[0], ends[1].unsqueeze(0)).kl[0]),
        geometry=model.geometry,
        provenance=provenance(model, time.perf_counter() - start, target.runner),
        run_tops=np.array(tops, np.int64),
        run_logprobs=np.array([[logprob(logits, token) for token in tops] for logits in ends]),
        logprobs=logprobs,
        new_tops=new_tops,
        kl=kl,
    )


def _check(model: Model, each: Patch, tokens: int) -> None:
    if each.part == "experts":
        check_cell(model, each.layer, max(each.tokens), tokens)
    check_place("layer", each.layer, model.geometry.layers)
    for token in each.tokens:
        check_place("token", token, tokens)
    if each.expert is not None:
        check_place("expert", each.expert, model.geometry.experts)


def _place(each: Patch) -> tuple[int, int]:
    """Return where the branch begins: what the experts add enters the layer above."""
    return each.layer + (each.part == "experts"), min(each.tokens)


def _fork(model: Model, each: Patch, source: Trunk, target: Trunk) -> Fork:
    layer, first = _place(each)
    puts = tuple(_puts(model, each, source, target))
    return Fork(layer, first, len(target.ids), (Variant(puts=puts),))


def _puts(model: Model, each: Patch, source: Trunk, target: Trunk) -> Iterator[Put]:
    for token in each.tokens:
        if each.part != "experts":
            yield Put(each.part, token, source.part(each.part, each.layer, token), replaces=True)
            continue
        brought, lost = (
            trunk.part("experts", each.layer, token)
            if each.expert is None
            else _share(model, trunk, each.layer, token, each.expert)
            for trunk in (source, target)
        )
        yield Put("hidden", token, brought - lost, replaces=False)


def _share(model: Model, trunk: Trunk, layer: int, token: int, expert: int) -> Tensor:
    """Return weight times output of an expert, zeros where it does not run, [hidden]."""
    number = model.geometry.layer_ids.index(layer)
    ran = trunk.expert_ids[number, token] == expert
    weight = float(trunk.weights[number, token][ran].sum())
    with torch.inference_mode():
        return trunk.outputs(layer, token, [expert])[0] * weight
