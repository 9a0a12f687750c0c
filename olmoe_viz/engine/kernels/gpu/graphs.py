"""A decoding step as CUDA graphs, captured once for each number of rows."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from olmoe_viz.engine.kernels.gpu import next_token, step
from olmoe_viz.engine.kernels.gpu.step import Cache
from olmoe_viz.engine.kernels.gpu.work import MAX_ROWS, Sizes, Weights, Work
from olmoe_viz.engine.sampling import Sampling, draw

ROWS = (1, 2, 4, 8, 16, 32, MAX_ROWS)


class Recorded(NamedTuple):
    """What one step left on the host, of all rows: float32 arrays that the next but one overwrites.

    `routing` is [rows, 2, layers, experts] and `chosen` [rows, 2]; see `Work`.
    """

    routing: NDArray[np.float32]
    chosen: NDArray[np.float32]

    def of(self, place: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return what was left of one row."""
        return self.routing[place], self.chosen[place]


class Flight:
    """One of the two copies of the graph, with the host memory that its results go to.

    Two alternate, so that the host reads the results of one while the other runs.
    """

    def __init__(self, work: Work) -> None:
        self._routing, self._chosen = (
            torch.empty(each.shape, dtype=each.dtype, pin_memory=True)
            for each in (work.record, work.chosen)
        )
        self._began, self._ended = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        self.graph = torch.cuda.CUDAGraph()

    def fetch(self, work: Work) -> None:
        """Copy what was recorded to the host; captured as the end of the graph."""
        self._routing.copy_(work.record, non_blocking=True)
        self._chosen.copy_(work.chosen, non_blocking=True)

    def launch(self) -> None:
        """Run the graph; returns at once."""
        self._began.record()
        self.graph.replay()
        self._ended.record()

    def wait(self) -> tuple[Recorded, float]:
        """Wait for the results; return them and the seconds that the device took."""
        self._ended.synchronize()
        seconds = self._began.elapsed_time(self._ended) / 1000
        return Recorded(self._routing.numpy(), self._chosen.numpy()), seconds


class Graphs:
    """The captured steps of one model over one cache, for every number of rows in `ROWS`.

    Settings of a request are tensors that the graphs read, so none is ever captured again. One
    generation at a time may use them.
    """

    def __init__(self, sizes: Sizes, weights: Weights, cache: Cache, *, pdl: bool) -> None:
        self._sizes, self._weights, self._cache, self._pdl = sizes, weights, cache, pdl
        device = weights.embed.device
        # Of each row.
        self._temperature, self._top_p = (
            torch.ones(MAX_ROWS, 1, device=device, dtype=torch.float64) for _ in range(2)
        )
        positions = len(weights.cosines) + 1
        self._uniforms = torch.zeros(MAX_ROWS, positions, device=device, dtype=torch.float64)
        self._works = {rows: Work.empty(sizes, rows, device) for rows in ROWS}
        self._flights: dict[tuple[int, bool], tuple[Flight, Flight]] = {}
        # One of each for all captures: libraries keep memory of their own for every stream.
        self._memory, self._aside = torch.cuda.graph_pool_handle(), torch.cuda.Stream()
        for rows, work in self._works.items():
            for drawn in (False, True):
                flights = Flight(work), Flight(work)
                for flight in flights:
                    self._capture(flight, work, drawn=drawn)
                self._flights[rows, drawn] = flights

    def work_of(self, rows: int) -> Work:
        """Return the work of the smallest captured number of rows that is not below `rows`."""
        return next(work for captured, work in self._works.items() if captured >= rows)

    def flights(self, work: Work, *, drawn: bool) -> tuple[Flight, Flight]:
        """Return the two copies of the graph for this work; `drawn` if any of its rows draws."""
        return self._flights[work.rows, drawn]

    def set_sampling(self, row: int, sampling: Sampling, first: int, count: int) -> None:
        """Choose `count` tokens of a row, from position `first` on, in this way."""
        self._temperature[row], self._top_p[row] = sampling.temperature, sampling.top_p
        if sampling.temperature > 0:
            self._uniforms[row, first : first + count] = sampling.uniforms(first, count)

    def enter(self, work: Work, rows: Sequence[int], tokens: Sequence[int]) -> None:
        """Let rows run these tokens in the next step."""
        places, weights = list(rows), self._weights
        ids = torch.tensor(list(tokens), device=work.token.device)
        hidden = weights.embed[ids].float()
        work.token[places] = ids.int()
        work.hidden[places] = hidden
        work.scaled[places] = (hidden * weights.first_norm.float()).to(work.scaled.dtype)
        work.squares[places] = hidden.square().view(len(places), self._sizes.parts, -1).sum(-1)

    def _step(self, work: Work, *, drawn: bool) -> None:
        step.run(self._sizes, self._weights, self._cache, work, pdl=self._pdl)
        self._choose(work, drawn=drawn)

    def _choose(self, work: Work, *, drawn: bool) -> None:
        if drawn:
            rows, after = slice(work.rows), work.position.long().unsqueeze(1) + 1
            numbers = self._uniforms[rows].gather(1, after).squeeze(1)
            temperature = self._temperature[rows]
            token = draw(work.logits, temperature.clamp(min=1e-300), self._top_p[rows], numbers)
            greedy = temperature.squeeze(1) == 0
            work.token.copy_(torch.where(greedy, work.logits.argmax(-1), token))
        next_token.advance(self._sizes, self._weights, work, drawn=drawn, pdl=self._pdl)

    def _capture(self, flight: Flight, work: Work, *, drawn: bool) -> None:
        self._aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._aside):
            self._step(work, drawn=drawn)  # compiles, and lets libraries allocate
        # What other threads do on the device meanwhile is no part of the graph, and no error.
        mode = "thread_local"
        with torch.cuda.graph(flight.graph, self._memory, self._aside, mode):
            self._step(work, drawn=drawn)
            flight.fetch(work)
        torch.cuda.current_stream().wait_stream(self._aside)
