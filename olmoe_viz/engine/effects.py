"""What each chosen expert of a cell does: the next token with and without it, and two controls."""

import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from olmoe_viz.engine.branches import Ends, Trunk, check_cell
from olmoe_viz.engine.differences import changes, logprob, ranks
from olmoe_viz.engine.forks import Fork, Put, Variant
from olmoe_viz.engine.inputs import check_policies, encode
from olmoe_viz.engine.prompt import OnProgress
from olmoe_viz.engine.provenance import provenance
from olmoe_viz.engine.threads import threads
from olmoe_viz.errors import InputError
from olmoe_viz.interventions import Intervention
from olmoe_viz.models.model import Model
from olmoe_viz.records.effects import SEEDS, Effects
from olmoe_viz.records.routed import width
from olmoe_viz.records.tokens import display_token
from olmoe_viz.requests import EffectsRequest

Arrays = dict[str, NDArray[Any]]
Cell = tuple[int, int]  # layer, counted over all blocks, and token
Label = tuple[int, int | None]  # the column of an expert, and the seed of what stands for it


class _Outcome(NamedTuple):
    """What a branch predicts, beside the branch in which nothing was changed."""

    kl: float
    change: float
    rank: int
    new_top: int
    continuation: float


class _Branches(NamedTuple):
    """What is changed in a cell, and what each of the branches is."""

    cell: Cell
    labels: list[Label]
    fork: Fork


class _Plain(NamedTuple):
    """What is predicted with nothing changed."""

    top: int
    logprob: float
    continuation: float


def effects(model: Model, request: EffectsRequest, on_progress: OnProgress) -> Effects:
    """Take away the chosen experts of every cell, one at a time, in batches that share the text.

    Raises InputError for a text, a policy, a cell or a continuation that does not fit the model,
    and for a model whose parts cannot be changed.
    """
    run, start = request.run, time.perf_counter()
    check_policies(model, [run.policy])
    ids = encode(model, run.text)
    for layer, token in request.cells:
        check_cell(model, layer, token, len(ids))
    vocab = model.geometry.vocab
    if any(not 0 <= token < vocab for token in request.continuation):
        raise InputError(f"Token ids must be from 0 to {vocab - 1:,}.")
    trunk = Trunk(model, [*ids, *request.continuation[:-1]], run.policy, on_progress)
    with threads(model, 1):  # as in the pass of the branches
        arrays = _Measuring(model, request, trunk, len(ids)).arrays(on_progress)
    return Effects(
        request=request,
        top_tokens=_texts(model, arrays["top_ids"]),
        new_top_tokens=tuple(_texts(model, row) for row in arrays["new_tops"]),
        geometry=model.geometry,
        provenance=provenance(model, time.perf_counter() - start, trunk.runner),
        **arrays,
    )


def _texts(model: Model, ids: NDArray[Any]) -> tuple[str, ...]:
    return tuple(display_token(model.token_bytes.of(token)) for token in ids.tolist())


class _Measuring:
    """One request's measurements: every expert of a cell, and those that it is compared with."""

    def __init__(self, model: Model, request: EffectsRequest, trunk: Trunk, tokens: int) -> None:
        self._request, self._trunk, self._tokens = request, trunk, tokens
        self._layers = {layer: at for at, layer in enumerate(model.geometry.layer_ids)}
        self._shape = (len(request.cells), width(request.run.policy, model.geometry))
        draw = np.random.default_rng(request.seed)
        vectors = draw.standard_normal((SEEDS, model.geometry.hidden))
        vectors /= np.linalg.norm(vectors, axis=-1, keepdims=True)
        self._directions = torch.from_numpy(vectors).to(model.device, torch.float32)
        self._dtype = model.dtype
        self._plain: dict[Cell, _Plain] = {}
        self._outcomes: dict[tuple[Cell, Label], _Outcome] = {}
        self._shares: dict[Cell, list[float]] = {}  # of the request's cells

    def arrays(self, on_progress: OnProgress) -> Arrays:
        """Measure; return the arrays of the record."""
        matches = self._matches() if self._request.controls else {}
        wanted: dict[Cell, set[int]] = {}
        for cell in self._request.cells:
            wanted.setdefault(cell, set()).update(range(len(self._ran(cell)[0])))
            self._shares[cell] = self._lengths(cell)
        for layer, token, column in matches.values():
            wanted.setdefault((layer, token), set()).add(column)
        branches = [self._without(cell, sorted(wanted[cell])) for cell in wanted]
        if self._request.controls:
            branches += [self._moved(cell) for cell in dict.fromkeys(self._request.cells)]
        branches.sort(key=lambda each: each.fork.layer)
        forks = [each.fork for each in branches]
        for ends in self._trunk.grow(forks, max(len(self._request.continuation), 1), on_progress):
            cell, labels, _ = branches[ends.fork]
            self._take(cell, labels[ends.start :], ends)
        return self._measured() | (self._controls(matches) if self._request.controls else {})

    def _ran(self, cell: Cell) -> tuple[list[int], list[float]]:
        """Return the experts of a cell and their weights."""
        layer, token = self._layers[cell[0]], cell[1]
        ids = self._trunk.expert_ids[layer, token]
        count = int((ids >= 0).sum())
        return ids[:count].tolist(), self._trunk.weights[layer, token, :count].tolist()

    def _lengths(self, cell: Cell) -> list[float]:
        """Return the norms of what the experts of a cell add."""
        ids, weights = self._ran(cell)
        norms = self._trunk.outputs(*cell, ids).float().norm(dim=-1).cpu().numpy()
        return [weight * float(norm) for weight, norm in zip(weights, norms, strict=True)]

    def _without(self, cell: Cell, columns: Sequence[int]) -> "_Branches":
        """Return the cell without each of some experts."""
        ids, (layer, _) = self._ran(cell)[0], cell
        gone = (Intervention(self._request.away, (layer,), (ids[at],)) for at in columns)
        fork = self._fork(cell, layer, [Variant((each,)) for each in gone])
        return _Branches(cell, [(column, None) for column in columns], fork)

    def _moved(self, cell: Cell) -> "_Branches":
        """Return the cell with random directions taken away, as long as each expert's share.

        From the stream that leaves its layer, in which nothing else is changed by it.
        """
        labels: list[Label] = []
        variants: list[Variant] = []
        for column, share in enumerate(self._shares[cell]):
            taken = (self._directions * -share).to(self._dtype).unbind()
            puts = (Put("hidden", cell[1], vector, replaces=False) for vector in taken)
            variants += [Variant(puts=(put,)) for put in puts]
            labels += [(column, seed) for seed in range(SEEDS)]
        return _Branches(cell, labels, self._fork(cell, cell[0] + 1, variants))

    def _fork(self, cell: Cell, layer: int, variants: Sequence[Variant]) -> Fork:
        token = cell[1]
        stop = token + 1 if self._request.read == "own" else len(self._trunk.ids)
        return Fork(layer, token, stop, tuple(variants))

    def _matches(self) -> dict[tuple[Cell, int], tuple[int, int, int]]:
        """Return layer, token and column of the nearest weight at another token, where one is.

        Of equally near ones the first.
        """
        found = {}
        for layer, token in self._request.cells:
            others = self._trunk.weights[self._layers[layer], : self._tokens].astype(float)
            ran = self._trunk.expert_ids[self._layers[layer], : self._tokens] >= 0
            ran[token] = False
            if not ran.any():
                continue
            for column, weight in enumerate(self._ran((layer, token))[1]):
                apart = np.where(ran, np.abs(others - weight), np.inf)
                at = np.unravel_index(int(apart.argmin()), apart.shape)
                found[(layer, token), column] = (layer, int(at[0]), int(at[1]))
        return found

    def _take(self, cell: Cell, labels: list[Label], ends: Ends) -> None:
        """Compare what branches of a cell predict with the one in which nothing is changed."""
        plain, found = ends.plain[0], ends.found[:, 0]
        top = int(plain.argmax())
        first = self._trunk.difference(plain, found)
        change = changes(plain, found, first, top)
        rank = ranks(found, first, top)
        continuation = np.zeros(len(found))
        for at, token in enumerate(self._request.continuation):
            apart = self._trunk.difference(ends.plain[at], ends.found[:, at])
            continuation += changes(ends.plain[at], ends.found[:, at], apart, token)
        if cell in self._shares and cell not in self._plain:
            said = sum(
                logprob(ends.plain[at], token)
                for at, token in enumerate(self._request.continuation)
            )
            self._plain[cell] = _Plain(top, logprob(plain, top), said)
        rows = zip(first.kl, change, rank, first.tops, continuation, strict=True)
        for label, row in zip(labels, rows, strict=False):
            self._outcomes[cell, label] = _Outcome(*row)

    def _measured(self) -> Arrays:
        cells, each = self._request.cells, self._shape
        plain = [self._plain[cell] for cell in cells]
        own = self._request.read == "own"
        arrays: Arrays = {
            "expert_ids": np.full(each, -1, np.int16),
            "weights": np.zeros(each, np.float32),
            "shares": np.zeros(each),
            "read_at": np.array([token if own else self._tokens - 1 for _, token in cells]),
            "top_ids": np.array([one.top for one in plain]),
            "top_logprobs": np.array([one.logprob for one in plain]),
            "kl": np.zeros(each),
            "logprob_changes": np.zeros(each),
            "ranks": np.zeros(each, np.int64),
            "new_tops": np.zeros(each, np.int64),
        }
        if self._request.continuation:
            arrays["continuation_logprobs"] = np.array([one.continuation for one in plain])
            arrays["continuation_changes"] = np.zeros(each)
        for row, cell in enumerate(cells):
            ids, weights = self._ran(cell)
            used = slice(len(ids))
            outcomes = [self._outcomes[cell, (column, None)] for column in range(len(ids))]
            arrays["expert_ids"][row, used], arrays["weights"][row, used] = ids, weights
            arrays["shares"][row, used] = self._shares[cell]
            names = ["kl", "logprob_changes", "ranks", "new_tops"]
            names += ["continuation_changes"] * bool(self._request.continuation)
            for name, values in zip(names, zip(*outcomes, strict=True), strict=False):
                arrays[name][row, used] = values
        return arrays

    def _controls(self, matches: dict[tuple[Cell, int], tuple[int, int, int]]) -> Arrays:
        each = self._shape
        arrays: Arrays = {
            "matched_tokens": np.full(each, -1, np.int64),
            "matched_ids": np.full(each, -1, np.int16),
            "matched_weights": np.zeros(each, np.float32),
            "matched_kl": np.zeros(each),
            "matched_changes": np.zeros(each),
            "random_kl": np.zeros((*each, SEEDS)),
            "random_changes": np.zeros((*each, SEEDS)),
        }
        for row, cell in enumerate(self._request.cells):
            for column in range(len(self._ran(cell)[0])):
                drawn = [self._outcomes[cell, (column, seed)] for seed in range(SEEDS)]
                arrays["random_kl"][row, column] = [one.kl for one in drawn]
                arrays["random_changes"][row, column] = [one.change for one in drawn]
                if (match := matches.get((cell, column))) is None:
                    continue
                layer, token, other = match
                ids, weights = self._ran((layer, token))
                outcome = self._outcomes[(layer, token), (other, None)]
                arrays["matched_tokens"][row, column] = token
                arrays["matched_ids"][row, column] = ids[other]
                arrays["matched_weights"][row, column] = weights[other]
                arrays["matched_kl"][row, column] = outcome.kl
                arrays["matched_changes"][row, column] = outcome.change
        return arrays
