"""What one visitor may ask of this server. The operator sets it, and a request beyond it is refused with a sentence.

Only what is to be drawn is checked: a stored comparison beyond today's limits still opens.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from bksdm_demo.errors import RequestError
from bksdm_demo.library.system import System
from bksdm_demo.parameters.partial_request import PartialRequest
from bksdm_demo.records import CELLS_LIMIT, PROMPT_LIMIT, STEPS_RANGE, Request


@dataclass(frozen=True)
class Allowance:
    """The limits of one server. The defaults limit nothing beyond what every Request must satisfy.

    `steps` is the smallest and the largest number of steps, `pictures` the most pictures of one comparison, `prompt`
    the most characters of each prompt, `seconds` how long one comparison may draw. The price of a picture is its steps:
    the evaluations of its U-Net. `visitor`, `address` and `queue` are budgets: the most evaluations that may wait and
    run, for one visitor, for one address and together. The rates limit how often a visitor and an address may start a
    comparison, as the library limits writes it: "20/minute; 200/hour". None and "" limit nothing.
    """

    steps: tuple[int, int] = STEPS_RANGE
    pictures: int = CELLS_LIMIT
    prompt: int = PROMPT_LIMIT
    seconds: float | None = None
    visitor: int | None = None
    address: int | None = None
    queue: int | None = None
    visitor_rate: str = ""
    address_rate: str = ""

    def check(self, request: Request, pictures: int) -> None:
        """Refuse a request whose own size is not allowed here. Raises RequestError with the limit."""
        low, high = self.steps
        if not low <= request.steps <= high:
            raise RequestError(f"steps is {request.steps}; this page allows {low} to {high}.")
        if pictures > self.pictures:
            raise RequestError(
                f"This comparison has {pictures} pictures; this page allows {self.pictures}. "
                "Choose fewer models or fewer pictures per model."
            )
        for name, text in (("The prompt", request.prompt), ("The negative prompt", request.negative_prompt)):
            if len(text) > self.prompt:
                raise RequestError(
                    f"{name} has {len(text)} characters; this page allows {self.prompt}. Shorten the text."
                )

    def complete(self, partial: PartialRequest, system: System | None) -> Request:
        """Fill every gap as `partial.complete` does; steps that it leaves open are moved into the allowed range.

        Raises RequestError.
        """
        request = partial.complete(system)
        return request if partial.steps is not None else replace(request, steps=self.nearest_steps(request.steps))

    def nearest_steps(self, steps: int) -> int:
        """Return the number of steps, moved into the range that is allowed here."""
        low, high = self.steps
        return min(max(steps, low), high)
