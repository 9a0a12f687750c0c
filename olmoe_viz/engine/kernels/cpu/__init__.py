"""OLMoE's pass on a CPU in float32, compiled by numba when first needed: one step, or branches.

The machine code is kept on disk (`machine_code`). Each module holds kernels and, beside each, a
reference that says the same in torch. A sum over the width of a matrix is taken by `lanes`, in one
order for every number of rows, and a row's experts are summed by rising id: so a row's numbers do
not depend, to the bit, on the rows beside it.

A second thread helps where that pays and changes no bit: see `team`, and `cpu_decoder`, which says
when. One row at a small k goes alone: its step takes less than waking a thread does.
"""

LANES = 16  # numbers that are added side by side; widths must be multiples
