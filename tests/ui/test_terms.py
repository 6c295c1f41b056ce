"""Every phase, setting, scheduler and figure that the page shows has a meaning, and markup that escapes it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bksdm_demo.records import SCHEDULERS, Phase
from bksdm_demo.ui.hints import hint
from bksdm_demo.ui.present import job_facts
from bksdm_demo.ui.terms import fact_meaning, phase_meaning, row_meaning, scheduler_meaning, scheduler_words, term
from bksdm_demo.ui.timing import timing_view
from bksdm_demo.wording.comparison import SCHEDULER_NAMES
from tests.ui.records import REQUEST, SYSTEMS, done, job


def test_every_fact_of_a_comparison_has_a_meaning() -> None:
    request = replace(REQUEST, negative_prompt="blurry", guidance_interval=(0.0, 0.5), forecast=True)
    facts = job_facts(job(done("a", engine="openvino"), done("b", engine="openvino"), request=request), SYSTEMS)
    assert len(facts) >= 8
    assert [label for label, value in facts if not fact_meaning(label, value)] == []


def test_every_row_of_the_timing_table_has_a_meaning() -> None:
    view = timing_view(job(done("a"), done("b", load=1.0)), {})
    assert view is not None
    assert [row.label for row in view.rows if not row_meaning(row.label)] == []


@pytest.mark.parametrize("key", SCHEDULERS)
def test_every_scheduler_has_a_meaning_of_its_own(key: str) -> None:
    meaning = scheduler_meaning(key)
    assert len(meaning) > 40
    assert fact_meaning("Scheduler", SCHEDULER_NAMES[key]) == meaning


def test_every_phase_in_which_something_happens_has_a_meaning() -> None:
    silent = {phase for phase in Phase if not phase_meaning(phase)}
    assert silent == {phase for phase in Phase if phase.final} | {Phase.QUEUED}


def test_a_term_is_a_button_with_a_description() -> None:
    assert term("<b>", 'a "b"') == (
        '<button type="button" class="bk-term" aria-description="a &quot;b&quot;">&lt;b&gt;</button>'
    )
    assert term("<b>", "") == "&lt;b&gt;"


def test_the_chosen_scheduler_is_explained_below_its_list() -> None:
    words = scheduler_words("ddim")
    assert words.count("<p ") == len(SCHEDULERS)
    assert words.count(" hidden>") == len(SCHEDULERS) - 1
    assert f'data-scheduler="ddim">{scheduler_meaning("ddim")}' in words


def test_a_hard_example_says_what_to_look_for() -> None:
    assert hint("Blue  apple").startswith("What to look for:")
    assert hint("red apple") == ""
