"""What the U-Net runs in each call of a scheduler: both halves, one of them, or nothing.

One half is enough where guidance does not mix them: at the scales 0 and 1, and outside the guidance interval
(Kynkaanniemi et al., arXiv 2404.07724). A forecast replaces a call by the estimate of the clean latents from the call
before. Which calls it replaces follows Spectrum (arXiv 2603.01623): none of the first ones, then ever more between two
evaluations, and never the last. Leaves out Spectrum's polynomials: see docs/fewer-evaluations.md.
"""

from __future__ import annotations

from bksdm_demo.diffusion.guidance import NEGATIVE, POSITIVE
from bksdm_demo.records import Request

Halves = tuple[int, ...]  # of one call, in the order of guidance.py; () for a forecast

BOTH: Halves = (NEGATIVE, POSITIVE)
FIRST_EVALUATED = 4  # calls, in which the picture takes shape
FIRST_GAP, GAP_GROWTH = 2.0, 0.25  # calls from one evaluation to the next, and by how much that grows each time


def plan(request: Request, calls: int) -> tuple[Halves, ...]:
    """The halves of each of `calls` calls. A half that did not run in the call before is never forecast."""
    halves = [_needed(request, (call + 0.5) / calls) for call in range(calls)]
    if not request.forecast:
        return tuple(halves)
    evaluated = evaluated_calls(calls)
    return tuple(
        () if call not in evaluated and halves[call] == halves[call - 1] else halves[call] for call in range(calls)
    )


def evaluated_calls(calls: int) -> frozenset[int]:
    """The calls that a forecast leaves to the U-Net: 7 of 10, 11 of 20, 14 of 30."""
    call, gap = FIRST_EVALUATED - 1, FIRST_GAP
    evaluated = {*range(min(FIRST_EVALUATED, calls)), calls - 1}
    while call + int(gap) < calls:
        call += int(gap)
        evaluated.add(call)
        gap += GAP_GROWTH
    return frozenset(evaluated)


def evaluations(request: Request) -> float:
    """How many evaluations of both halves a picture takes. PNDM's additional call is not counted."""
    return sum(evaluations_by_call(request, request.steps))


def evaluations_by_call(request: Request, calls: int) -> tuple[float, ...]:
    """The evaluations of each of `calls` calls: 1 for both halves, 0.5 for one alone, 0 for a forecast."""
    return tuple(len(halves) / len(BOTH) for halves in plan(request, calls))


def runs_one_half(request: Request) -> bool:
    """Whether any call needs one half only."""
    return any(len(halves) == 1 for halves in plan(request, request.steps))


def _needed(request: Request, place: float) -> Halves:
    """The halves that guidance needs at a place between the start, 0, and the end, 1."""
    first, last = request.guidance_interval
    scale = request.guidance_scale if first <= place <= last else 1
    if scale == 1:
        return (POSITIVE,)
    return (NEGATIVE,) if scale == 0 else BOTH
