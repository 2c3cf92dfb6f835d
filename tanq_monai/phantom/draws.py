"""How numbers are drawn."""

import numpy as np

Range = tuple[float, float]


def log_uniform(rng: np.random.Generator, limits: Range) -> float:
    """Drawn evenly on a logarithmic scale between two limits."""
    return float(np.exp(rng.uniform(*np.log(limits))))


def log_uniform_setting(rng: np.random.Generator, limits: Range) -> float:
    """The same with the three digits of a scanner's setting."""
    return three_digits(log_uniform(rng, limits))


def three_digits(value: float) -> float:
    """Rounded."""
    return float(f"{value:.3g}")
