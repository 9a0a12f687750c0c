"""What all kernels share: programmatic dependent launch, and the scale of an RMS norm."""

from typing import Any

import triton
import triton.language as tl


@triton.jit
def wait(PDL: tl.constexpr):
    """Wait for the kernel before this one; what stands above it overlaps with that kernel.

    The next kernel may then begin, up to its own `wait`: it may read there what was written two
    kernels earlier, and nothing later (CUDA programming guide, programmatic dependent launch).
    """
    if PDL:
        tl.extra.cuda.gdc_wait()
        tl.extra.cuda.gdc_launch_dependents()


@triton.jit
def rms_scale(squares, row, PARTS: tl.constexpr, WIDTH: tl.constexpr, EPSILON: tl.constexpr):
    """Return 1 / sqrt(mean of squares + epsilon) of one row, from its partial sums."""
    parts = tl.load(squares + row * PARTS + tl.arange(0, PARTS))
    return tl.rsqrt(tl.sum(parts) / WIDTH + EPSILON)


@triton.jit
def product(a, b):
    """Return a * b of float32, rounded, whatever follows.

    The compiler fuses a product with the sum after it where that is its only use, and may compute
    a value anew for each layout that it is needed in. What is compared with itself over two axes
    would then differ in the last bit.
    """
    return tl.inline_asm_elementwise(
        "mul.rn.f32 $0, $1, $2;", "=f,f,f", [a, b], dtype=tl.float32, is_pure=True, pack=1
    )


@triton.jit
def arrives_last(counter, expected):
    """Count this program; True for the last of `expected`, which sees what the others stored."""
    tl.debug_barrier()
    last = tl.atomic_add(counter, 1, sem="acq_rel") == expected - 1
    if last:
        tl.store(counter, 0)
    return last


def options(pdl: bool, warps: int) -> dict[str, Any]:
    """Return the launch options of a kernel."""
    return {"PDL": pdl, "num_warps": warps} | ({"launch_pdl": True} if pdl else {})
