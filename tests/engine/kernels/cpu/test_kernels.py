"""Every kernel against the reference beside it, and its rows alone against all together."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from olmoe_viz.engine.kernels.cpu.attention import (
    across,
    attend,
    attend_both,
    attend_reference,
    padded,
    rotate,
    rotate_reference,
    starts_of,
)
from olmoe_viz.engine.kernels.cpu.compare import compare, compare_reference
from olmoe_viz.engine.kernels.cpu.experts import mix, mix_reference
from olmoe_viz.engine.kernels.cpu.interventions import intervene
from olmoe_viz.engine.kernels.cpu.linear import (
    linear,
    linear_reference,
    rms_norm,
    rms_norm_reference,
)
from olmoe_viz.engine.kernels.cpu.router import route, route_reference
from olmoe_viz.families.edits import tables_of
from olmoe_viz.interventions import LOST_MASS, Intervention, LostMass
from olmoe_viz.policy import WEIGHTINGS, RoutingPolicy, Weighting

EXPERTS, TRAINED = 16, 4


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def near(ours: torch.Tensor, reference: torch.Tensor) -> None:
    torch.testing.assert_close(ours, reference, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("outputs", [3, 4, 66])
@pytest.mark.parametrize("width", [16, 48])
def test_linear(outputs: int, width: int) -> None:
    matrix, rows = random(outputs, width), random(7, width, seed=1)
    out, alone = torch.empty(7, outputs), torch.empty(1, outputs)
    linear(matrix.numpy(), rows.numpy(), out.numpy())
    near(out, linear_reference(matrix, rows))
    linear(matrix.numpy(), rows[5:6].numpy(), alone.numpy())
    assert torch.equal(alone[0], out[5])


def test_rms_norm() -> None:
    rows, weight = random(3, 64), random(64, seed=1)
    expected = rms_norm_reference(rows, weight, 1e-5)
    rms_norm(rows.numpy(), weight.numpy(), np.float32(1e-5), rows.numpy())
    near(rows, expected)


def test_rotate() -> None:
    rows, positions = random(3, 64), torch.tensor([4, 0, 9])
    angles = random(10, 8, seed=1)
    expected = rotate_reference(rows, positions, angles.cos(), angles.sin())
    rotate(rows.numpy(), positions.numpy(), angles.cos().numpy(), angles.sin().numpy())
    near(rows, expected)


@pytest.mark.parametrize("kv_heads", [4, 2])
@pytest.mark.parametrize("head_dim", [16, 32])
@pytest.mark.parametrize("entries", [1, 37])
def test_attend(kv_heads: int, head_dim: int, entries: int) -> None:
    queries, out = random(4 * head_dim), torch.empty(4 * head_dim)
    keys = random(entries, kv_heads * head_dim, seed=1)
    values = random(entries, kv_heads * head_dim, seed=2)
    attend(queries.numpy(), keys.numpy(), values.numpy(), 4, np.float32(0.25), out.numpy())
    near(out, attend_reference(queries, keys, values, 4, 0.25))


@pytest.mark.parametrize("kv_heads", [4, 2])
@pytest.mark.parametrize("head_dim", [16, 32])
@pytest.mark.parametrize(("seen", "own"), [(0, 1), (16, 1), (21, 5), (37, 18)])
def test_attend_both(kv_heads: int, head_dim: int, seen: int, own: int) -> None:
    """A text of 40 entries, of which some are seen, and entries behind them."""
    queries, out = random(4 * head_dim), torch.empty(4 * head_dim)
    keys, values = (random(40, kv_heads * head_dim, seed=seed) for seed in (1, 2))
    more = [random(own, kv_heads * head_dim, seed=seed) for seed in (3, 4)]
    attend_both(
        (queries * 0.25).numpy(),
        across(keys.numpy()),
        values[:seen].numpy(),
        *(each.numpy() for each in more),
        starts_of(4, head_dim, kv_heads * head_dim),
        np.empty(4 * padded(seen + own), np.float32),
        out.numpy(),
    )
    both = (torch.cat(each) for each in ((keys[:seen], more[0]), (values[:seen], more[1])))
    near(out, attend_reference(queries, *both, 4, 0.25))


@pytest.mark.parametrize("size", [1e-4, 1.0, 20.0])
def test_compare(size: float) -> None:
    plain = random(96) * 3
    found = plain + random(7, 96, seed=1) * size
    found[3, [40, 80]] = found[3].max() + 1  # the first of two equal ones
    sums, tops = torch.empty(7, 3), torch.empty(7, dtype=torch.int64)
    weights = plain.softmax(-1)
    compare(*(each.numpy() for each in (plain, weights, found, sums, tops)))
    expected, likeliest = compare_reference(plain, found)
    torch.testing.assert_close(sums.double(), expected, rtol=1e-4, atol=1e-7 * size)
    assert tops.tolist() == likeliest.tolist()


@given(
    # Few values, so that many experts are equal.
    logits=st.lists(st.sampled_from([-2.0, 0.0, 0.5, 3.0]), min_size=EXPERTS, max_size=EXPERTS),
    k=st.integers(1, EXPERTS),
    threshold=st.sampled_from([0.0, 0.02, 0.1, 0.9]),
    weighting=st.sampled_from(WEIGHTINGS),
)
def test_route(logits: list[float], k: int, threshold: float, weighting: Weighting) -> None:
    policy = RoutingPolicy(k, weighting=weighting, threshold=threshold)
    values = torch.tensor(logits)
    expected_ids, expected_weights = route_reference(values, policy, TRAINED)
    ids, weights = torch.empty(EXPERTS, dtype=torch.int16), torch.empty(EXPERTS)
    route(
        values.numpy(),
        k,
        TRAINED,
        np.float32(threshold),
        WEIGHTINGS.index(weighting),
        ids.numpy(),
        weights.numpy(),
    )
    assert ids[:k].tolist() == expected_ids.tolist()
    near(weights[:k], torch.from_numpy(expected_weights))
    assert (ids[k:] == -1).all()
    assert (weights[k:] == 0).all()


few = st.lists(st.integers(0, EXPERTS - 1), min_size=1, max_size=EXPERTS - 1).map(tuple)
interventions = st.one_of(
    st.builds(
        Intervention,
        st.sampled_from(["off", "route_around", "force", "add", "keep_only"]),
        st.just(0),
        few,
    ),
    st.builds(Intervention, st.just("swap"), st.just(0), st.just((1, 3)), to=st.just(2)),
    st.builds(Intervention, st.just("bias"), st.just(0), few, amount=st.sampled_from([-1.0, 2.5])),
)


@given(
    logits=st.lists(st.sampled_from([-2.0, 0.0, 0.5, 3.0]), min_size=EXPERTS, max_size=EXPERTS),
    k=st.integers(1, EXPERTS),
    threshold=st.sampled_from([0.0, 0.1]),
    weighting=st.sampled_from(WEIGHTINGS),
    acting=st.lists(interventions, min_size=1, max_size=3).map(tuple),
    mass=st.sampled_from(LOST_MASS),
)
def test_intervene(
    logits: list[float],
    k: int,
    threshold: float,
    weighting: Weighting,
    acting: tuple[Intervention, ...],
    mass: LostMass,
) -> None:
    policy = RoutingPolicy(k, weighting, threshold)
    values = torch.tensor(logits)
    try:
        expected_ids, expected = route_reference(values, policy, TRAINED, (acting, mass))
    except ValueError:  # nothing is left to choose
        return
    tables = tables_of([(acting, mass)], (0,), EXPERTS)
    ids, weights = np.empty(EXPERTS, np.int16), np.empty(EXPERTS, np.float32)
    number, floor = WEIGHTINGS.index(weighting), np.float32(threshold)
    scale = route(values.numpy(), k, TRAINED, floor, number, ids, weights)
    row = tables.bias[1], tables.marks[1], tables.targets[1]
    intervene(values.numpy(), k, floor, scale, tables.masses[0], *row, ids, weights)
    count = len(expected_ids)
    assert (ids[count:] == -1).all()
    near(torch.from_numpy(weights[:count]), torch.from_numpy(expected))
    # The same experts; equal weights may round to another order.
    assert {*ids[:count].tolist()} == {*expected_ids.tolist()}


def test_mix() -> None:
    gate_up, down = random(6, 64, 32) / 6, random(6, 32, 32, seed=1) / 6
    rows, weights = random(9, 32, seed=2), torch.rand(9, 3)
    ids = torch.stack([random(6, seed=row).argsort()[:3] for row in range(9)]).to(torch.int16)
    ids[4, 1:] = -1
    out, alone = torch.zeros(9, 32), torch.zeros(1, 32)
    every = gate_up.numpy(), down.numpy(), rows.numpy(), ids.numpy(), weights.numpy()
    mix(*every, 0, 6, out.numpy())
    near(out, mix_reference(gate_up, down, rows, ids, weights))
    own = (each[3:4].numpy() for each in (rows, ids, weights))
    mix(gate_up.numpy(), down.numpy(), *own, 0, 6, alone.numpy())
    assert torch.equal(alone[0], out[3])
