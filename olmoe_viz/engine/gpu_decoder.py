"""Decoding on a GPU by captured graphs, one step ahead of the host.

The device chooses the tokens, so it starts the next step by itself; text, log-probabilities and
records of a step are made while the next one runs.
"""

import threading
import time
from collections import deque
from collections.abc import Sequence as Ordered
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from olmoe_viz.engine.cache import Entries, KvCache, entries_on_gpu
from olmoe_viz.engine.decoder import Part, Ran, Stepped
from olmoe_viz.engine.kernels.gpu import self_test
from olmoe_viz.engine.kernels.gpu.graphs import Flight, Graphs
from olmoe_viz.engine.kernels.gpu.work import MAX_ROWS, Sizes, Work, weights_of
from olmoe_viz.engine.plan import cell_of
from olmoe_viz.engine.runner import runner_of
from olmoe_viz.engine.sequence import Sequence
from olmoe_viz.engine.taps import Arrays, Taps, fitted
from olmoe_viz.families.base import Parts
from olmoe_viz.families.edits import BARRED, Cell, Coded, tables_of
from olmoe_viz.interventions import LOST_MASS
from olmoe_viz.models.model import Model
from olmoe_viz.numerics.geometry import Geometry
from olmoe_viz.policy import WEIGHTINGS
from olmoe_viz.records.routed import width

NAME = "olmoe, Triton kernels"
_TESTED_ROWS = 3


class GpuKernels:
    """A model's captured steps and the cache that they work on, for one generation at a time.

    Raises RuntimeError in words when a kernel does not compute what its reference does.
    """

    def __init__(self, model: Model, parts: Parts) -> None:
        self.geometry = model.geometry
        sizes = sizes_of(model, parts)
        # Programmatic dependent launch came with Hopper.
        pdl = torch.cuda.get_device_capability(model.device) >= (9, 0)
        weights = weights_of(parts, model.sites, model.geometry.context)
        failing = self_test.failing(sizes, weights, rows=_TESTED_ROWS, pdl=pdl)
        if failing:
            raise RuntimeError(f"a kernel failed its test ({failing[0]})")
        self.entries = entries_on_gpu(model)
        # One entry more, where rows that rest write.
        self.cache = KvCache.empty(parts.blocks, model.dtype, 1, self.entries + 1)
        self.graphs = Graphs(sizes, weights, self.cache.layers, pdl=pdl)
        self._in_use = threading.Lock()

    def fits(self, rows: int, entries: int) -> bool:
        """Whether so many rows, with as many cache entries, can ever be at work."""
        return rows <= MAX_ROWS and entries <= self.entries

    def claim(self) -> bool:
        """Take the kernels for one decoder; False while another has them."""
        return self._in_use.acquire(blocking=False)

    def release(self) -> None:
        """Give the kernels back."""
        self._in_use.release()


def sizes_of(model: Model, parts: Parts) -> Sizes:
    """Return what the kernels are compiled for."""
    geometry, block = model.geometry, parts.blocks[0]
    return Sizes(
        layers=geometry.layers,
        hidden=geometry.hidden,
        heads=geometry.heads,
        experts=geometry.experts,
        inner=geometry.intermediate,
        vocab=geometry.vocab,
        trained_k=geometry.trained_k,
        scaling=block.scaling,
        epsilon=block.epsilon,
    )


class _Flown(NamedTuple):
    """A graph that has been launched, where in it each row stands, and what acted on whom."""

    flight: Flight
    places: dict[Sequence, int]
    acting: dict[Sequence, "_Acting"]


class _Acting(NamedTuple):
    """The interventions on a token, and their numbers for each layer: [layers, experts]."""

    cell: Cell
    numbers: Coded
    layers: NDArray[np.bool_]  # in which they act


class GpuDecoder:
    """Writes with claimed kernels; see `Decoder`.

    Prompts are read by the model's pass but for their last token, with which a row joins the
    graphs. The host is one step behind: what a row's step gives comes with the next call.
    """

    name = NAME

    def __init__(self, kernels: GpuKernels, model: Model) -> None:
        self._kernels, self._runner = kernels, runner_of(model)
        self._entries = Entries(kernels.entries)
        self._joined: set[Sequence] = set()
        self._work = kernels.graphs.work_of(1)
        self._places: dict[Sequence, int] = {}
        self._left: dict[Sequence, int] = {}  # tokens that each row has yet to run
        self._acting: dict[Sequence, _Acting] = {}  # what the device was last told of a row
        self._read: dict[Sequence, Arrays] = {}  # before the last token of a prompt
        self._flown: deque[_Flown] = deque()
        self._flights = 0
        for place in range(self._work.rows):
            self._rest(place)

    def join(self, rows: Ordered[Sequence]) -> bool:
        """Give rows a place in the cache; see `Decoder.join`."""
        if len(self._joined) + len(rows) > MAX_ROWS:
            return False
        first = self._entries.take(sum(row.length for row in rows))
        if first is None:
            return False
        for number, row in enumerate(rows):
            row.base = first + number * row.length
        self._joined.update(rows)
        return True

    def leave(self, rows: Ordered[Sequence]) -> None:
        """Let rows rest and free their place; what still runs writes before whoever comes."""
        self._entries.give_back(rows[0].base)
        for row in rows:
            self._joined.discard(row)
            self._read.pop(row, None)
            self._left.pop(row, None)
            self._acting.pop(row, None)
            if row in self._places:
                self._rest(self._places.pop(row))

    def share(self, source: Sequence, targets: Ordered[Sequence]) -> None:
        """Copy what a row has read; see `Decoder.share`."""
        self._kernels.cache.copy(source.base, [row.base for row in targets], source.position)

    @torch.inference_mode()
    def step(self, parts: Ordered[Part]) -> Stepped:
        """Read prompts, start the next step, and return what the one before has given."""
        began = time.perf_counter()
        new = [part for part in parts if part.row not in self._places]
        done = self._read_prompts(new)
        joining = [row for row, count in new if row.position + count == row.prompt]
        seconds = time.perf_counter() - began if done or self._read else 0.0
        if joining:
            self._enter(joining)
        if not self._flown:
            self._launch()
        self._launch()
        if self._flown:
            flown = self._flown.popleft()
            recorded, flew = flown.flight.wait()
            seconds += flew
            done += [
                self._landed(row, recorded.of(at), flown.acting.get(row))
                for row, at in flown.places.items()
            ]
        return Stepped([ran for ran in done if ran.row in self._joined], seconds)

    def close(self) -> None:
        """Let the kernels go; a step that still runs is waited for."""
        torch.cuda.current_stream().synchronize()
        self._kernels.release()

    def _read_prompts(self, parts: Ordered[Part]) -> list[Ran]:
        """Run parts of prompts but for their last tokens; return those that go on."""
        done: list[Ran] = []
        counts = {
            part: part.length - (part.row.position + part.length == part.row.prompt)
            for part in parts
        }
        for count in sorted({*counts.values()} - {0}):
            alike = [part for part in parts if counts[part] == count]
            for part, routed in zip(alike, self._pass(alike, count), strict=True):
                if count == part.length:
                    done.append(Ran(part.row, routed, None))
                else:
                    self._read[part.row] = routed
        return done

    def _pass(self, parts: Ordered[Part], count: int) -> list[Arrays]:
        rows = [part.row for part in parts]
        plan, taps = self._runner.plan([row.policy for row in rows]), Taps(len(rows))
        longest = max(row.length for row in rows)
        cache = self._kernels.cache.at([row.base for row in rows], longest)
        ids, starts = [part.tokens[:count] for part in parts], [row.position for row in rows]
        self._runner.step(cache, ids, range(len(rows)), starts, plan, taps)
        return taps.by_row()

    def _enter(self, rows: Ordered[Sequence]) -> None:
        """Put rows into the graphs, each with the last token of its prompt."""
        graphs, work = (
            self._kernels.graphs,
            self._kernels.graphs.work_of(len(self._places) + len(rows)),
        )
        if work is not self._work:
            self._move(work)
        free = iter(sorted(set(range(self._work.rows)) - set(self._places.values())))
        for row in rows:
            place = self._places[row] = next(free)
            self._left[row] = row.limit + 1
            self._set(row, place)
        places = [self._places[row] for row in rows]
        graphs.enter(self._work, places, [row.tokens[row.prompt - 1] for row in rows])

    def _move(self, work: Work) -> None:
        """Go on with another number of rows."""
        before, places = self._work, list(self._places.values())
        for name in (
            "position",
            "base",
            "threshold",
            "weighting",
            "acting",
            "bias",
            "marks",
            "targets",
            "mass",
            "token",
            "hidden",
            "scaled",
            "squares",
        ):
            getattr(work, name)[: len(places)] = getattr(before, name)[places]
        work.ks[:, : len(places)] = before.ks[:, places]
        self._work = work
        self._places = {row: place for place, row in enumerate(self._places)}
        for row, place in self._places.items():
            self._kernels.graphs.set_sampling(place, row.sampling, row.prompt, row.limit)
        for place in range(len(places), work.rows):
            self._rest(place)

    def _set(self, row: Sequence, place: int) -> None:
        """Put a row's settings on the device."""
        work, geometry = self._work, self._kernels.geometry
        ks = row.policy.ks(geometry.layers, geometry.experts)
        work.ks[:, place] = torch.tensor(ks, dtype=torch.int32)
        work.threshold[place] = row.policy.threshold
        work.weighting[place] = WEIGHTINGS.index(row.policy.weighting)
        work.position[place], work.base[place] = row.prompt - 1, row.base
        self._kernels.graphs.set_sampling(place, row.sampling, row.prompt, row.limit)

    def _rest(self, place: int) -> None:
        """Let a place rest; it writes to an entry that nobody reads."""
        self._work.ks[:, place] = 0
        self._work.acting[place] = 0
        self._work.position[place], self._work.base[place] = 0, self._kernels.entries

    def _launch(self) -> None:
        """Run the token that every row holds, unless none has any left."""
        running = {row: at for row, at in self._places.items() if self._left[row] > 0}
        if not running:
            return
        for row, place in running.items():
            if row.policy.interventions:
                self._intervene(row, place)
        drawn = any(row.sampling.temperature > 0 for row in running)
        flight = self._kernels.graphs.flights(self._work, drawn=drawn)[self._flights % 2]
        flight.launch()
        self._flights += 1
        acting = {row: self._acting[row] for row in running if row in self._acting}
        self._flown.append(_Flown(flight, running, acting))
        for row in running:
            self._left[row] -= 1
            if not self._left[row]:
                self._rest(self._places[row])

    def _intervene(self, row: Sequence, place: int) -> None:
        """Tell the device what acts on the next token of a row, where that is something new.

        Steps that were launched before are not touched: they run before what is copied here.
        """
        position = row.prompt + row.limit - self._left[row]
        cell = cell_of(row.policy, position, "prompt" if position < row.prompt else "generated")
        before = self._acting.get(row)
        if before is not None and before.cell == cell:
            return
        acting = self._acting[row] = _acting(cell, self._kernels.geometry)
        work = self._work
        work.acting[place] = torch.from_numpy(acting.layers.astype(np.int32))
        work.mass[place] = LOST_MASS.index(row.policy.lost_mass)
        for name, values in acting.numbers._asdict().items():
            getattr(work, name)[place] = torch.from_numpy(values)

    def _landed(
        self, row: Sequence, recorded: tuple[NDArray[np.float32], ...], acting: "_Acting | None"
    ) -> Ran:
        """Return what a step has given a row; with its first, what was read before."""
        widest = width(row.policy, self._kernels.geometry)
        routing, chosen = recorded
        routed = _routed(routing, widest, acting)
        if (read := self._read.pop(row, None)) is not None:
            read = fitted(read, widest)
            routed = {name: np.concatenate([read[name], routed[name]], 1) for name in routed}
        token, logprob = chosen.tolist()
        return Ran(row, routed, (int(token), logprob) if row.uniform is not None else None)


def _acting(cell: Cell, geometry: Geometry) -> _Acting:
    tables = tables_of([cell], geometry.layer_ids, geometry.experts)
    (places,) = tables.places
    # Row 0 of the tables is that of nothing.
    at = np.maximum(places, 0)
    numbers = Coded(tables.bias[at], tables.marks[at], tables.targets[at])
    return _Acting(cell, numbers, places >= 0)


def _routed(recorded: NDArray[np.float32], width: int, acting: _Acting | None) -> Arrays:
    """Return arrays [layers, 1, ...] from router logits and weights, [2, layers, experts].

    By falling weight; of equals the first choice first, which without interventions is the lower
    id.
    """
    logits, dense = recorded
    order = np.argsort(-dense, axis=-1, kind="stable")
    if acting is not None:
        order = np.where(acting.layers[:, None], _by_choice(logits, dense, acting.numbers), order)
    order = order[:, :width]
    weights = np.take_along_axis(dense, order, axis=-1)
    return {
        "router_logits": logits[:, None].copy(),
        "expert_ids": np.where(weights >= 0, order, -1).astype(np.int16)[:, None],
        "weights": np.maximum(weights, 0)[:, None],
    }


def _by_choice(
    logits: NDArray[np.float32], dense: NDArray[np.float32], numbers: Coded
) -> NDArray[np.int64]:
    preference = np.where(numbers.marks & BARRED, -np.inf, logits + numbers.bias)
    return np.lexsort((-preference, -dense), axis=-1)
