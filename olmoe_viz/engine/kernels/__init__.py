"""Decoding steps written by hand: for a GPU in Triton, for a CPU in numba."""
