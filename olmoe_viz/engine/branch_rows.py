"""The tokens of branches side by side in one row, as both passes of branches read them."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from olmoe_viz.engine.forks import Fork, Put, Variant
from olmoe_viz.engine.plan import Plan, cell_of
from olmoe_viz.families.edits import Cell

Branch = tuple[Fork, Variant]


class BranchRows:
    """Branches by rising layer, int64 [branches] each: where they begin and end.

    `layers` and `firsts` are the layer and the token at which a branch leaves the text, `lengths`
    how many tokens it has, which stand in the row from `begins` on and before `ends`. `positions`
    int64 [tokens] are those of the tokens. ValueError for branches in another order.
    """

    def __init__(self, branches: Sequence[Branch]) -> None:
        self.branches = branches
        self.layers = np.array([fork.layer for fork, _ in branches])
        if (np.diff(self.layers) < 0).any():
            raise ValueError("Branches come by rising layer.")
        self.firsts = np.array([fork.first for fork, _ in branches])
        self.lengths = np.array([fork.stop for fork, _ in branches]) - self.firsts
        self.ends = self.lengths.cumsum()
        self.begins = self.ends - self.lengths
        within = np.arange(self.ends[-1]) - np.repeat(self.begins, self.lengths)
        self.positions = within + np.repeat(self.firsts, self.lengths)

    def cells(self, plan: Plan) -> Iterator[Cell]:
        """Yield what acts on each token, of the text's plan and of the branch."""
        for fork, variant in self.branches:
            for position in range(fork.first, fork.stop):
                acting, mass = cell_of(plan.policies[0], position, "prompt")
                yield (*acting, *(variant.interventions if position == fork.first else ())), mass

    def puts(self) -> Iterator[tuple[int, int, Put]]:
        """Yield what is put in, with the layer and the token of the row where that is done."""
        for (fork, variant), begin in zip(self.branches, self.begins.tolist(), strict=True):
            for put in variant.puts:
                yield fork.layer, begin + put.token - fork.first, put

    def read_at(self, reads: int) -> NDArray[np.int64]:
        """Return the last `reads` tokens of each branch, branch by branch."""
        last: NDArray[np.int64] = self.ends[:, None] - np.arange(reads, 0, -1)
        return last.ravel()
