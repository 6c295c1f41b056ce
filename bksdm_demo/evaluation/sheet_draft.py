"""A sheet with gaps: rows as they were read, and what else the file says. `complete` fills the gaps and checks all.

Gaps are filled as elsewhere: with what the first model recommends, else with the defaults of Request. The seed of a row
without one is 0, not a random one, so that the same file draws the same pictures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bksdm_demo.errors import RequestError
from bksdm_demo.evaluation import assertions
from bksdm_demo.evaluation.axes import Axis, distinct, multiplied
from bksdm_demo.evaluation.sheet import Row, Sheet
from bksdm_demo.evaluation.sheet_values import CATEGORY, FIELDS, LABEL, DraftRow
from bksdm_demo.library.system import System
from bksdm_demo.parameters.partial_request import RECOMMENDED, recommendation
from bksdm_demo.records import Request


@dataclass(frozen=True)
class Draft:
    """A sheet as it was read. `assertions` hold for every row that does not state its own; `models` may be ()."""

    rows: tuple[DraftRow, ...] = ()
    name: str = ""
    models: tuple[str, ...] = ()
    baseline: str = ""
    axes: tuple[Axis, ...] = ()
    assertions: Mapping[str, Any] = field(default_factory=dict)

    def complete(
        self,
        models: Sequence[str] = (),
        system: System | None = None,
        *,
        axes: Sequence[Axis] = (),
        baseline: str = "",
        limits: Mapping[str, Any] | None = None,
    ) -> Sheet:
        """The sheet for these models, or for the file's own. `axes` are added; `baseline` and `limits` come first.

        `system` recommends what no row states. Raises RequestError with the row and the setting.
        """
        rows = multiplied(self.rows, distinct([*self.axes, *axes]))
        shared = {**self.assertions, **(limits or {})}
        recommended = dict(zip(RECOMMENDED, recommendation(system), strict=True))
        chosen = tuple(dict.fromkeys(models)) or self.models
        return Sheet(
            tuple(_row(row, recommended, shared) for row in rows), chosen, baseline or self.baseline, self.name
        )


def _row(draft: DraftRow, recommended: Mapping[str, Any], limits: Mapping[str, Any]) -> Row:
    """The row with its gaps filled. Raises RequestError that begins with the row's place in the file."""
    values = draft.values
    stated = {name: values[name] for name in FIELDS if name in values}
    own = {name: values[name] for name in assertions.NAMES if name in values}
    try:
        if "prompt" not in stated:
            raise RequestError("It has no prompt. Give it one, or an axis of prompts.")
        request = Request(**{**recommended, **stated})
        checked = assertions.read_assertions({**limits, **own})
    except RequestError as error:
        raise RequestError(f"{draft.where}: {error}") from error
    return Row(request, str(values.get(LABEL, "")), str(values.get(CATEGORY, "")), checked)
