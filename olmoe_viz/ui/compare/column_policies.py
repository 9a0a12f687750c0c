"""Which policies the columns have where none were chosen, and which an added column gets. Pure."""

from collections.abc import Sequence

from olmoe_viz.policy import RoutingPolicy, Weighting

FEWEST, MOST = 2, 6  # columns
_DOUBLED = 4  # the trained k and at most three doubled ones: with the frame's two ks six columns
_FURTHER = (4, 2, 1, 24, 48, 12)  # as many as there are columns: one of them is always new


def doubled_ks(trained_k: int, experts: int) -> list[int]:
    """The trained k and its doubles, at most all experts."""
    return sorted({min(trained_k << times, experts) for times in range(_DOUBLED)})


def frame_policies(
    k: int, against: int, weighting: Weighting, trained_k: int, experts: int, most: int = MOST
) -> tuple[RoutingPolicy, ...]:
    """A column for each of the frame's two ks, and for the trained k and its doubles.

    Where only so many are allowed, the first of these.
    """
    ks = dict.fromkeys((k, against, *doubled_ks(trained_k, experts)))
    return tuple(RoutingPolicy(k, weighting) for k in sorted(list(ks)[:most]))


def single_k(policy: RoutingPolicy) -> int:
    """The k of a policy with one number for all layers; ValueError for another."""
    if not isinstance(policy.k, int):
        raise ValueError(f"{policy} does not have one k.")
    return policy.k


def fit(policies: Sequence[RoutingPolicy], experts: int) -> bool:
    """Whether a model with so many experts in a layer can run all of the policies."""
    return all(single_k(policy) <= experts for policy in policies)


def further_policy(
    columns: Sequence[RoutingPolicy], weighting: Weighting, experts: int
) -> RoutingPolicy:
    """The policy of an added column: a k that no other has, while there is one."""
    used = {policy.k for policy in columns}
    free = [k for k in (*_FURTHER, *range(1, experts)) if k <= experts and k not in used]
    return RoutingPolicy(free[0] if free else experts, weighting)
