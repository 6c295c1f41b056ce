"""What the U-Net runs in each call of a scheduler: both halves, one of them, or nothing.

One half is enough where guidance does not mix them: at the scales 0 and 1, and outside the guidance interval
(Kynkaanniemi et al., arXiv 2404.07724). A forecast replaces a call by the estimate of the clean latents from the call
before. Which calls it replaces follows Spectrum (arXiv 2603.01623): none of the first ones, then ever more between two
evaluations, and never the last. Leaves out Spectrum's polynomials: see docs/fewer-evaluations.md. Deep features are
renewed in every n-th evaluation and reused in the others (DeepCache, arXiv 2312.00858).
"""

from __future__ import annotations

from dataclasses import dataclass

from bksdm_demo.diffusion.guidance import NEGATIVE, POSITIVE
from bksdm_demo.engines.base import Form
from bksdm_demo.records import Request

Halves = tuple[int, ...]  # of one call, in the order of guidance.py; () for a forecast

BOTH: Halves = (NEGATIVE, POSITIVE)
FIRST_EVALUATED = 4  # calls, in which the picture takes shape
FIRST_GAP, GAP_GROWTH = 2.0, 0.25  # calls from one evaluation to the next, and by how much that grows each time
SHALLOW_SHARE = 0.2  # of an evaluation, while the deep features rest; measured in docs/fewer-evaluations.md


@dataclass(frozen=True)
class Call:
    """What one call runs. `renews` is false where it takes the deep features of an earlier call."""

    halves: Halves
    renews: bool = True

    @property
    def evaluations(self) -> float:
        """1 for both halves, 0.5 for one alone, 0 for a forecast; less while the deep features rest."""
        return len(self.halves) / len(BOTH) * (1 if self.renews else SHALLOW_SHARE)


def plan(request: Request, calls: int) -> tuple[Call, ...]:
    """What each of `calls` calls runs. A half that did not run in the call before is never forecast."""
    halves = [_needed(request, (call + 0.5) / calls) for call in range(calls)]
    if request.forecast:
        evaluated = evaluated_calls(calls)
        halves = [
            () if call not in evaluated and halves[call] == halves[call - 1] else halves[call] for call in range(calls)
        ]
    return _with_rests(halves, request.deep_every)


def _with_rests(halves: list[Halves], every: int) -> tuple[Call, ...]:
    """Renew the deep features in the first of `every` evaluations, and where a half has none of that one."""
    planned: list[Call] = []
    known: Halves = ()
    since = 0  # evaluations since the features were renewed
    for needed in halves:
        renews = bool(needed) and (since % every == 0 or not set(needed) <= set(known))
        if renews:
            known, since = needed, 0
        since += bool(needed)
        planned.append(Call(needed, renews or not needed))
    return tuple(planned)


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
    """The evaluations of each of `calls` calls, see Call."""
    return tuple(call.evaluations for call in plan(request, calls))


def forms(request: Request) -> tuple[Form, ...]:
    """The forms of the U-Net that the calls run beside the whole. DEEP and SHALLOW are needed, others save time."""
    calls = plan(request, request.steps)
    one_half = any(len(call.halves) == 1 for call in calls)
    if request.deep_every == 1:
        return (Form.HALF,) if one_half else ()
    return (Form.DEEP, Form.SHALLOW, *((Form.HALF_DEEP, Form.HALF_SHALLOW) if one_half else ()))


def _needed(request: Request, place: float) -> Halves:
    """The halves that guidance needs at a place between the start, 0, and the end, 1."""
    first, last = request.guidance_interval
    scale = request.guidance_scale if first <= place <= last else 1
    if scale == 1:
        return (POSITIVE,)
    return (NEGATIVE,) if scale == 0 else BOTH
