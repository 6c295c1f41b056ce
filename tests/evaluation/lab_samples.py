"""A measurement with made-up times, which no machine's speed changes."""

from __future__ import annotations

from collections.abc import Sequence

from bksdm_demo.evaluation.lab import Measurement, Sample, Variant
from bksdm_demo.records import Request, Timings

REQUEST = Request("red apple", steps=20)
FIXED = 0.2  # seconds of encode, decode and safety
SLOW, QUICK, FEWER = Variant("slow", 20), Variant("quick", 20), Variant("slow", 9, ("quick",))
STEP = {SLOW: 0.1, QUICK: 0.04, FEWER: 0.1}  # seconds


def sample(variant: Variant, number: int, factor: float = 1.0, cold: bool = False) -> Sample:
    """A picture whose phases all take `factor` times as long as usual."""
    steps = (STEP[variant] * factor,) * variant.steps
    taken = Timings(3.0 if cold else 0.0, 0.05 * factor, sum(steps), 0.1 * factor, 0.05 * factor, 0.0, steps, cold)
    return Sample(variant, number, 1, taken)


def measurement(
    factors: Sequence[float], cold: Sequence[int] = (), loads: tuple[float, ...] = (0.1,), cores: int = 2
) -> Measurement:
    """A round per factor of the machine's slowness; in the rounds `cold`, the quick model was loaded again."""
    variants = (SLOW, QUICK, FEWER)
    warm_up = tuple(sample(variant, number, 2, number == 1) for number in (1, 2) for variant in variants[:2])
    samples = tuple(
        sample(variant, number, factor, variant is QUICK and number in cold)
        for number, factor in enumerate(factors, 1)
        for variant in variants
    )
    return Measurement(REQUEST, "slow", variants, warm_up, samples, {"slow": 200, "quick": 100}, loads, cores)
