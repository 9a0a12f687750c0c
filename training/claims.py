"""Reproduce known claims about taking experts away on the bundled model and held-out text.

    python -m training.claims --corpus CORPUS

Writes `olmoe_viz/data/claims.json`: routing weight against measured effect, pruning below a weight
under the three rules for lost mass, blocking the strongest experts, and switching off the least
used 1 %, each with an interval, beside what others have published of the real model. Takes about
five minutes on two cores.
"""

import argparse
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import olmoe_viz as ov
from olmoe_viz.analysis.claims import RECORDED, Claims, Figure, Quoted, save
from olmoe_viz.engine.ablating import Ablated
from olmoe_viz.engine.engine import Ask, asking
from olmoe_viz.interventions import Intervention
from olmoe_viz.models.model import Model
from olmoe_viz.requests import ScoreRequest
from training.corpus import DOMAINS, read_documents

SEED = 0
TOKENS, EFFECT_TOKENS = 192, 48  # of a document: scored, and read for effects
THRESHOLDS = (0.01, 0.02, 0.03, 0.05)
BLOCKED = (1, 3, 10, 30)
RULES = {"drop": "native", "restore": "gain_anchored", "renormalize": "renormalized"}
RANDOM_DRAWS = 3
RESAMPLES = 500
Floats = NDArray[np.float64]
QUOTED = (
    Quoted(
        "weight",
        "OLMoE-1B-7B-0924: no routing statistic predicts an expert's causal effect (|d| < 0.23), "
        "with one exception, the routing weight in the last layer (d = +0.231).",
        "arXiv 2606.10703",
    ),
    Quoted(
        "pruning",
        "OLMoE-1B-7B: without the slots of a weight under 0.03 (22% of them) perplexity goes from "
        "13.91 to 14.32, and to 884 when the others are scaled to sum to 1.",
        "a public ablation report",
    ),
    Quoted(
        "strongest",
        "Blocking OLMoE's ten strongest experts loses far more than in Qwen1.5-MoE.",
        "arXiv 2505.24593",
    ),
)


def main() -> None:
    """Measure, and replace the recorded table."""
    parser = argparse.ArgumentParser(description="Reproduce claims about taking experts away.")
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--documents", type=int, default=4, help="of each domain")
    parser.add_argument("--out", type=Path, default=RECORDED)
    options = parser.parse_args()
    model = ov.load_model("olmoe-nano", device="cpu")
    texts = sample(options.corpus, options.documents)
    save(measure(model, texts), options.out)


def sample(corpus: Path, count: int) -> list[str]:
    """Draw documents of every domain from the held-out text."""
    draw = np.random.default_rng(SEED)
    texts = []
    for domain in DOMAINS:
        documents = read_documents(corpus, domain, heldout=True)
        chosen = draw.choice(len(documents), min(count, len(documents)), replace=False)
        texts += [documents[at] for at in sorted(chosen)]
    return texts


def measure(model: Model, texts: Sequence[str]) -> Claims:
    """Measure every claim on the same texts."""
    ask = asking(ov.LocalEngine(model))
    cut = [model.tokenizer.backend_tokenizer.encode(text).ids[:TOKENS] for text in texts]
    documents = [tuple(ids) for ids in cut if len(ids) > 1]
    scoring = _Scoring(model, ask, documents)
    effects, rows = weight_against_effect(model, documents)
    return Claims(
        digest=model.digest,
        date=datetime.now(UTC).date().isoformat(),
        documents=len(documents),
        tokens=sum(map(len, documents)),
        effects=rows,
        seed=SEED,
        bits_per_byte=float(scoring.trained.sum() / scoring.sizes.sum()),
        shares=tuple(scoring.shares()),
        figures=(*effects, *scoring.pruning(), *scoring.strongest(), *scoring.least_used()),
        quoted=QUOTED,
    )


def weight_against_effect(
    model: Model, documents: Sequence[tuple[int, ...]]
) -> tuple[list[Figure], int]:
    """Return the rank correlation in each layer and in all, and how many experts were measured."""
    texts = [model.token_bytes.text(ids[:EFFECT_TOKENS]) for ids in documents]
    plan = ov.AblationPlan(tokens=3, controls=False, seed=SEED)
    with tempfile.TemporaryDirectory() as folder:
        table = pd.read_parquet(ov.ablate(model, texts, plan, folder, _say))
    figures: list[Figure] = []
    for layer in [*model.geometry.layer_ids, "all"]:
        own = table if layer == "all" else table[table["layer"] == layer]
        groups = [rows[["weight", "kl"]].to_numpy() for _, rows in own.groupby("document")]
        drawn = [_correlation(np.concatenate(some)) for some in resampled(groups)]
        value = _correlation(np.concatenate(groups))
        figures.append(_figure("weight", str(layer), "drop", value, drawn))
    return figures, len(table)


def _correlation(pairs: Floats) -> float:
    """Return Spearman's rank correlation of two columns."""
    return float(pd.DataFrame(pairs).corr(method="spearman").iloc[0, 1])


def resampled(groups: Sequence[Floats]) -> list[list[Floats]]:
    """Draw as many groups as there are, with replacement, many times."""
    draw = np.random.default_rng(SEED)
    picks = draw.integers(0, len(groups), (RESAMPLES, len(groups)))
    return [[groups[at] for at in pick] for pick in picks]


class _Scoring:
    """Bits of every document under policies, and how much its experts are used."""

    def __init__(self, model: Model, ask: Ask, documents: Sequence[tuple[int, ...]]) -> None:
        self._model, self._ask, self._documents = model, ask, documents
        self._k = model.geometry.trained_k
        table = model.token_bytes
        self.sizes = np.array([sum(len(table.of(token)) for token in ids[1:]) for ids in documents])
        self.trained = self._bits([ov.RoutingPolicy(self._k)])[0]
        runs = [ov.trace(model, ids) for ids in documents]
        self._ids = np.concatenate([run.expert_ids for run in runs], axis=1)
        self._weights = np.concatenate([run.weights for run in runs], axis=1)
        shape = (model.geometry.layers, model.geometry.experts)
        self._mass, self._count = np.zeros(shape), np.zeros(shape)
        layers = np.broadcast_to(np.arange(shape[0])[:, None, None], self._ids.shape)
        np.add.at(self._mass, (layers, self._ids), self._weights)
        np.add.at(self._count, (layers, self._ids), 1)

    def shares(self) -> list[float]:
        """Return which part of the experts that ran weighs less than each threshold."""
        return [float((self._weights < threshold).mean()) for threshold in THRESHOLDS]

    def pruning(self) -> list[Figure]:
        """Let no expert below a probability run, under each rule for lost mass."""
        settings = [(t, rule) for t in THRESHOLDS for rule in RULES]
        policies = [ov.RoutingPolicy(self._k, RULES[rule], t) for t, rule in settings]
        names = [("pruning", str(t), rule) for t, rule in settings]
        return self._against(names, self._bits(policies))

    def strongest(self) -> list[Figure]:
        """Block the experts with the most weight, and as many others of the same layers."""
        heaviest = np.argsort(-self._mass, axis=None)
        draw = np.random.default_rng(SEED)
        figures = []
        for count in BLOCKED:
            taken = [_place(at, self._mass) for at in heaviest[:count]]
            policies = [self._without("route_around", taken)]
            for _ in range(RANDOM_DRAWS):
                others = _others(taken, self._model.geometry.experts, draw)
                policies.append(self._without("route_around", others))
            bits = self._bits(policies)
            names = [("strongest", str(count), rule) for rule in ("drop", "random")]
            figures += self._against(names, np.stack([bits[0], bits[1:].mean(axis=0)]))
        return figures

    def least_used(self) -> list[Figure]:
        """Switch the least used hundredth of all experts off."""
        count = self._count.size // 100
        rarest = np.argsort(self._count, axis=None, kind="stable")[:count]
        policy = self._without("off", [_place(at, self._count) for at in rarest])
        return self._against([("least_used", str(count), "drop")], self._bits([policy]))

    def _without(self, what: str, places: Sequence[tuple[int, int]]) -> ov.RoutingPolicy:
        layers = sorted({layer for layer, _ in places})
        acting = (
            Intervention(what, (layer,), tuple(e for at, e in places if at == layer))
            for layer in layers
        )
        return ov.RoutingPolicy(self._k, interventions=tuple(acting))

    def _bits(self, policies: Sequence[ov.RoutingPolicy]) -> Floats:
        """Return the bits of each document, [policies, documents]."""
        bits = []
        for ids in self._documents:
            scores = self._ask(ScoreRequest(self._model.name, ids, tuple(policies)))
            bits.append(scores.nll.sum(axis=-1) / np.log(2))
        return np.stack(bits, axis=1)

    def _against(self, names: Sequence[tuple], bits: Floats) -> list[Figure]:
        """Return bits per byte above the trained setting, with intervals over documents."""
        figures = []
        for name, row in zip(names, bits, strict=True):
            groups = list(np.stack([row - self.trained, self.sizes], axis=-1))
            drawn = [ratio[0] / ratio[1] for ratio in (sum(some) for some in resampled(groups))]
            more, size = sum(groups)
            figures.append(_figure(*name, more / size, drawn))
        return figures


def _figure(claim: str, setting: str, rule: str, value: float, drawn: Sequence[float]) -> Figure:
    low, high = np.percentile(drawn, [2.5, 97.5])
    return Figure(claim, setting, rule, round(float(value), 5), round(low, 5), round(high, 5))


def _place(at: int, of: Floats) -> tuple[int, int]:
    layer, expert = np.unravel_index(at, of.shape)
    return int(layer), int(expert)


def _others(
    taken: Sequence[tuple[int, int]], experts: int, draw: np.random.Generator
) -> list[tuple[int, int]]:
    """Draw as many experts of the same layers that are not taken."""
    found = []
    for layer in sorted({layer for layer, _ in taken}):
        own = [expert for at, expert in taken if at == layer]
        left = np.setdiff1d(np.arange(experts), own)
        chosen = draw.choice(left, min(len(own), len(left)), replace=False)
        found += [(layer, int(expert)) for expert in chosen]
    return found


def _say(how_far: Ablated) -> None:
    print(f"effects: {how_far.done} of {how_far.total} documents, {how_far.left:.0f} s to go")


if __name__ == "__main__":
    main()
