"""The phases and outcomes of cells in words."""

from __future__ import annotations

from dataclasses import replace

from bksdm_demo.records import Cell, Job, Phase
from bksdm_demo.wording.outcomes import COUNTED, OUTCOMES, PHASE_TITLES, outcome_words, tone_of
from tests.ui.records import REQUEST, done


def test_every_phase_has_a_title() -> None:
    assert set(PHASE_TITLES) == set(Phase)


def test_every_outcome_without_a_picture_is_counted() -> None:
    assert set(COUNTED) == set(OUTCOMES) == {phase for phase in Phase if phase.final and phase is not Phase.DONE}


def test_every_cell_has_a_tone() -> None:
    tones = {phase: tone_of(Cell("a", phase)) for phase in Phase}
    assert {phase for phase, tone in tones.items() if tone == "working"} == {
        phase for phase in Phase if not phase.final and phase is not Phase.QUEUED
    }
    assert {phase for phase, tone in tones.items() if tone == "stopped"} == {Phase.CANCELLED, Phase.INTERRUPTED}


def test_seeds_differ_in_their_noise() -> None:
    cells = tuple(replace(done(model), seed=seed) for seed in (7, 8) for model in "ab")
    assert outcome_words(Job("j", REQUEST, cells)) == "4 pictures, one noise for each seed"
    assert outcome_words(Job("j", REQUEST, cells[::2])) == "2 pictures"
    ended = (*cells[:2], *(Cell(model, Phase.INTERRUPTED, seed=8) for model in "ab"))
    assert outcome_words(Job("j", REQUEST, ended)) == "2 pictures, 2 interrupted"
