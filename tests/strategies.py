"""What hypothesis draws in more than one file."""

from hypothesis import strategies as st

from olmoe_viz.interventions import LOST_MASS, Intervention
from olmoe_viz.policy import WEIGHTINGS, RoutingPolicy

ks = st.integers(1, 999_999_999)
some_k = ks | st.lists(ks, min_size=1, max_size=20).map(tuple)
weightings = st.sampled_from(WEIGHTINGS)
thresholds = st.floats(0, 1)
above_0 = st.floats(0, 1, exclude_min=True)
numbers = st.lists(st.integers(0, 99_999), min_size=1, max_size=4).map(tuple)
scopes = st.sampled_from(["all", "prompt", "generated"]) | numbers
layers = st.none() | numbers
interventions = st.one_of(
    st.builds(
        Intervention,
        st.sampled_from(["off", "route_around", "force", "add", "keep_only"]),
        layers,
        numbers,
        scopes,
    ),
    st.builds(Intervention, st.just("swap"), layers, st.just((3,)), scopes, st.just(4)),
    st.builds(
        Intervention,
        st.just("bias"),
        layers,
        numbers,
        scopes,
        amount=st.floats(allow_nan=False, allow_infinity=False),
    ),
)
changes = st.lists(interventions, max_size=3).map(tuple)
policies = st.builds(
    RoutingPolicy, some_k, weightings, thresholds, changes, st.sampled_from(LOST_MASS)
) | st.builds(RoutingPolicy, st.none(), weightings, above_0)

# Whatever JSON can hold, and Python's reader accepts.
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([2**63, -(2**63) - 1, 10**400])
    | st.floats()
    | st.text(max_size=8),
    lambda values: (
        st.lists(values, max_size=3) | st.dictionaries(st.text(max_size=4), values, max_size=3)
    ),
    max_leaves=8,
)
