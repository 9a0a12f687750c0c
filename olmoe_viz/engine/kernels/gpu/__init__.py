"""One decoding step of OLMoE on a GPU: six Triton kernels a layer and three after the last.

Each module holds one kernel, `run`, which launches it, and `reference`, which says the same in
torch. Both work on the same `Work` in place, so one can be compared with the other. A kernel reads
every choice (positions, k, weighting, threshold, interventions) from the device, so that one
captured graph serves all requests.

Two rules make a row's numbers independent of the rows beside it, to the bit: a sum over the width
of a matrix is taken by one program, in one order for every number of rows; and a row's experts are
summed by rising id. Nothing is added atomically; atomics only count which program is the last.

RMS norms cost no kernel. What ends in the residual stream is also stored multiplied by the next
norm's weight, together with sums of its squares; the kernel that reads it scales by their root.
"""
