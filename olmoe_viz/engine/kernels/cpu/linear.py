"""Products of rows with a matrix, and the norm before them."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from numba import njit
from torch import Tensor

from olmoe_viz.engine.kernels.cpu import LANES
from olmoe_viz.engine.kernels.cpu.lanes import (
    load,
    multiply_add,
    store_block,
    store_totals,
    total,
    zeros,
)


@njit
def linear(matrix, rows, out):
    """Write rows [rows, in] @ matrix [out, in].T into `out` [rows, out].

    Four rows of the matrix at a time go through all the rows, so the matrix is read once; four or
    two rows at a time, so that what is loaded is used more than once.
    """
    outputs, width = matrix.shape
    for first in range(0, outputs - 3, 4):
        at = first * width
        for row in range(0, len(rows) - 3, 4):
            _four_rows(matrix, at, rows, row * width, width, out, row * outputs + first, outputs)
        for row in range(len(rows) // 4 * 4, len(rows) - 1, 2):
            _two_rows(matrix, at, rows, row * width, width, out, row * outputs + first, outputs)
        if len(rows) % 2:
            row = len(rows) - 1
            a, b, c, d = zeros(), zeros(), zeros(), zeros()
            for k in range(0, width, LANES):
                x = load(rows, row * width + k)
                a = multiply_add(load(matrix, at + k), x, a)
                b = multiply_add(load(matrix, at + width + k), x, b)
                c = multiply_add(load(matrix, at + 2 * width + k), x, c)
                d = multiply_add(load(matrix, at + 3 * width + k), x, d)
            store_totals(out, row * outputs + first, a, b, c, d)
    for last in range(outputs // 4 * 4, outputs):
        for row in range(len(rows)):
            out[row, last] = dot(matrix, last * width, rows, row * width, width)


@njit
def _four_rows(matrix, at, rows, start, width, out, place, outputs):
    """Write the products of four rows with four of the matrix, each summed as if alone."""
    a, b, c, d = zeros(), zeros(), zeros(), zeros()
    e, f, g, h = zeros(), zeros(), zeros(), zeros()
    i, j, m, n = zeros(), zeros(), zeros(), zeros()
    o, p, q, r = zeros(), zeros(), zeros(), zeros()
    for k in range(0, width, LANES):
        w, x = load(rows, start + k), load(rows, start + width + k)
        y, z = load(rows, start + 2 * width + k), load(rows, start + 3 * width + k)
        s = load(matrix, at + k)
        a, e = multiply_add(s, w, a), multiply_add(s, x, e)
        i, o = multiply_add(s, y, i), multiply_add(s, z, o)
        s = load(matrix, at + width + k)
        b, f = multiply_add(s, w, b), multiply_add(s, x, f)
        j, p = multiply_add(s, y, j), multiply_add(s, z, p)
        s = load(matrix, at + 2 * width + k)
        c, g = multiply_add(s, w, c), multiply_add(s, x, g)
        m, q = multiply_add(s, y, m), multiply_add(s, z, q)
        s = load(matrix, at + 3 * width + k)
        d, h = multiply_add(s, w, d), multiply_add(s, x, h)
        n, r = multiply_add(s, y, n), multiply_add(s, z, r)
    store_block(out, place, outputs, (a, b, c, d), (e, f, g, h), (i, j, m, n), (o, p, q, r))


@njit
def _two_rows(matrix, at, rows, start, width, out, place, outputs):
    """Write the products of two rows with four of the matrix, each summed as if alone."""
    a, b, c, d = zeros(), zeros(), zeros(), zeros()
    e, f, g, h = zeros(), zeros(), zeros(), zeros()
    for k in range(0, width, LANES):
        x, y = load(rows, start + k), load(rows, start + width + k)
        m, n = load(matrix, at + k), load(matrix, at + width + k)
        a, e = multiply_add(m, x, a), multiply_add(m, y, e)
        b, f = multiply_add(n, x, b), multiply_add(n, y, f)
        m, n = load(matrix, at + 2 * width + k), load(matrix, at + 3 * width + k)
        c, g = multiply_add(m, x, c), multiply_add(m, y, g)
        d, h = multiply_add(n, x, d), multiply_add(n, y, h)
    store_totals(out, place, a, b, c, d)
    store_totals(out, place + outputs, e, f, g, h)


@njit
def dot(left, left_start, right, right_start, width):
    """Return the inner product of `width` numbers of each."""
    summed = zeros()
    for k in range(0, width, LANES):
        summed = multiply_add(load(left, left_start + k), load(right, right_start + k), summed)
    return total(summed)


@njit
def rms_norm(rows, weight, epsilon, out):
    """Write each row, divided by its root mean square and times `weight`, into `out`."""
    width = len(weight)
    for row in range(len(rows)):
        mean = dot(rows, row * width, rows, row * width, width) / np.float32(width)
        scale = np.float32(1) / np.float32(math.sqrt(mean + np.float32(epsilon)))
        for k in range(width):
            out[row, k] = rows[row, k] * scale * weight[k]


@njit
def clamp(rows, limit):
    """Bring every number into [-limit, limit]."""
    for row in range(len(rows)):
        for k in range(rows.shape[1]):
            rows[row, k] = min(max(rows[row, k], -limit), limit)


@njit
def clear(rows):
    """Set every number to 0."""
    for row in range(len(rows)):
        for k in range(rows.shape[1]):
            rows[row, k] = 0


@njit
def copy(source, target):
    """Copy one row."""
    for k in range(len(target)):
        target[k] = source[k]


@njit
def add(source, target):
    """Add one row to another."""
    for k in range(len(target)):
        target[k] += source[k]


def linear_reference(matrix: Tensor, rows: Tensor) -> Tensor:
    """Return what `linear` writes."""
    return F.linear(rows, matrix)


def rms_norm_reference(rows: Tensor, weight: Tensor, epsilon: float) -> Tensor:
    """Return what `rms_norm` writes."""
    return weight * rows * torch.rsqrt(rows.square().mean(-1, keepdim=True) + epsilon)
