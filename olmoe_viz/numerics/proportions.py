"""Intervals of a proportion."""

import math

Z95 = 1.959963984540054  # the 97.5% point of the normal distribution


def wilson(hits: int, trials: int) -> tuple[float, float]:
    """The 95% score interval of a proportion; the whole range from 0 to 1 without trials.

    E. B. Wilson 1927, Probable inference, the law of succession, and statistical inference,
    Journal of the American Statistical Association 22, 209-212.
    """
    if not 0 <= hits <= trials:
        raise ValueError(f"{hits} of {trials} is no proportion.")
    if trials == 0:
        return 0.0, 1.0
    share, weight = hits / trials, Z95**2 / trials
    middle = (share + weight / 2) / (1 + weight)
    half = Z95 / (1 + weight) * math.sqrt(share * (1 - share) / trials + weight / (4 * trials))
    return max(0.0, middle - half), min(1.0, middle + half)
