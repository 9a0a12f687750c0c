"""Speed, each figure beside a peer's from the same run."""

# Before torch: the package sets how its threads wait.
import olmoe_viz  # noqa: F401
