"""Words from records, by table."""

from __future__ import annotations

from dataclasses import replace
from math import inf

import pytest

from bksdm_demo.diffusion.prompt_gate import PROMPT_BLOCKED
from bksdm_demo.library.catalog import EMOJI_NOTE, Availability
from bksdm_demo.records import Cell, Job, Phase
from bksdm_demo.reports.similarity import Similarity
from bksdm_demo.reports.similarity_cache import Compared
from bksdm_demo.ui import present
from bksdm_demo.wording.outcomes import OUTCOMES
from tests.ui.records import PIXELS, REQUEST, SYSTEMS, blocked, done, job, refused, system


@pytest.mark.parametrize(
    ("number", "words"), [(1, "1st"), (2, "2nd"), (3, "3rd"), (4, "4th"), (11, "11th"), (22, "22nd"), (112, "112th")]
)
def test_ordinals(number: int, words: str) -> None:
    assert present.ordinal(number) == words


@pytest.mark.parametrize(
    ("cell", "tone", "title", "detail", "progress"),
    [
        (Cell("a"), "waiting", "Waiting", "up next", None),
        (Cell("a", Phase.LOADING, 0, 20), "working", "Loading the model", "", None),
        (Cell("a", Phase.ENCODING, 0, 20), "working", "Reading the prompt", "", None),
        (Cell("a", Phase.DENOISING, 5, 20), "working", "Denoising", "step 5 of 20", 0.25),
        (Cell("a", Phase.DECODING, 20, 20), "working", "Decoding the picture", "", 1.0),
        (Cell("a", Phase.CHECKING, 20, 20), "working", "Safety check", "", 1.0),
        (done("a"), "done", "Done", "", None),
        (blocked("a"), "blocked", "Picture blocked", "Not for this page.", None),
        (Cell("a", Phase.FAILED, message="No memory."), "failed", "This model failed", "No memory.", None),
        (Cell("a", Phase.CANCELLED, 3, 20, message="Stopped."), "stopped", "Stopped", "Stopped.", None),
        (Cell("a", Phase.INTERRUPTED), "stopped", "Interrupted", OUTCOMES[Phase.INTERRUPTED][1], None),
    ],
)
def test_every_phase_has_words(cell: Cell, tone: str, title: str, detail: str, progress: float | None) -> None:
    (view,) = present.cell_views(job(cell), SYSTEMS)
    assert (view.tone, view.title, view.detail, view.progress) == (tone, title, detail, progress)


def test_waiting_cells_show_their_place() -> None:
    running = job(Cell("a", Phase.DENOISING, 1, 20), Cell("b"), Cell("c"))
    assert [present.cell_detail(running, index) for index in (1, 2)] == ["up next", "after 2 others"]
    queued = job(Cell("a"), Cell("b"), position=3)
    assert present.cell_detail(queued, 1) == "3rd in the queue"
    assert present.cell_detail(job(Cell("a"), position=1), 0) == "next in the queue"


def test_the_first_waiting_cell_says_when_its_comparison_begins() -> None:
    queued = job(Cell("a"), Cell("b"), position=3, starts=1097.0)
    assert present.cell_detail(queued, 0, 1000.0) == "3rd in the queue, begins in about 1 min 40 s"
    assert present.cell_detail(queued, 1, 1000.0) == present.cell_detail(queued, 0) == "3rd in the queue"
    assert present.cell_detail(queued, 0, 1096.0) == "3rd in the queue, begins in a moment"
    passable = replace(queued, passable=True)
    assert present.cell_detail(passable, 0, 1000.0) == "3rd in the queue, begins in 1 min 40 s at the earliest"


def test_a_finished_cell_shows_time_speed_and_picture() -> None:
    first, second = present.cell_views(job(done("a", 1.5), done("b", 0.5, load=0.25)), SYSTEMS)
    assert (first.seconds, first.speed, first.loading) == ("2.00 s", "baseline", "")
    assert (second.seconds, second.speed, second.loading) == ("1.00 s", "2.00× as fast (one run)", "+ 0.25 s loading")
    assert second.picture.partition("?")[0] == "pictures/job-1/02-b.png"
    assert second.file_name == "seed-7-02-b.png"
    assert second.alt == "red apple – drawn by Beta"
    assert first.facts == ("U-Net 13.0 M weights",)
    assert ("Size", "12.1 MB on disk") in present.job_facts(job(done("a"), done("b")), SYSTEMS)


def test_a_blocked_cell_has_times_but_no_picture() -> None:
    (view,) = present.cell_views(job(blocked("a")), SYSTEMS)
    assert view.seconds == "1.50 s"
    assert (view.picture, view.alt, view.file_name) == ("", "", "")


def test_a_cell_that_was_not_drawn_says_why_and_has_no_times() -> None:
    view, drawn, other = present.cell_views(job(refused("a"), done("b"), done("c", 0.5)), SYSTEMS)
    assert (view.tone, view.title, view.detail) == ("blocked", "Picture blocked", PROMPT_BLOCKED)
    assert (view.seconds, view.speed, view.loading, view.picture, view.note) == ("",) * 5
    assert (drawn.speed, other.speed) == ("baseline", "1.50× as fast (one run)")


def test_a_model_unknown_to_the_catalogue_goes_by_its_key() -> None:
    (view,) = present.cell_views(job(done("gone")), SYSTEMS)
    assert (view.name, view.facts) == ("gone", ("12.1 MB on disk",))


@pytest.mark.parametrize(
    ("phases", "position", "words"),
    [
        ([Phase.QUEUED, Phase.QUEUED], 2, "Waiting: 2nd in the queue"),
        ([Phase.DONE, Phase.LOADING], 0, "Drawing 2 of 2: Beta"),
        ([Phase.DONE, Phase.DONE], 0, "2 pictures from the same noise"),
        ([Phase.DONE], 0, "1 picture"),
        ([Phase.DONE, Phase.BLOCKED, Phase.FAILED], 0, "1 picture, 1 blocked, 1 failed"),
        ([Phase.CANCELLED, Phase.CANCELLED], 0, "No picture, 2 stopped"),
    ],
)
def test_status(phases: list[Phase], position: int, words: str) -> None:
    cells = [Cell(key, phase) for key, phase in zip("abc", phases, strict=False)]
    assert present.status_words(job(*cells, position=position), SYSTEMS) == words


SEEDS = Job(
    "job-2",
    REQUEST,
    tuple(replace(done(model), seed=seed) for seed in (7, 20) for model in "ab"),
)


def test_a_row_for_each_seed() -> None:
    first, second = present.row_views(SEEDS, SYSTEMS)
    assert (first.title, second.title) == ("Seed 7", "Seed 20")
    assert [view.index for view in second.cells] == [2, 3]
    assert [view.model for view in second.cells] == [0, 1]
    assert first.cells[0].facts
    assert second.cells[0].facts == ()  # shown above
    assert [view.speed for view in second.cells] == ["", ""]  # the table of times has those of the models
    (alone,) = present.row_views(job(done("a")), SYSTEMS)
    assert alone.title == ""
    assert present.job_facts(SEEDS, SYSTEMS)[0] == ("Seeds", "7, 20")


@pytest.mark.parametrize(
    ("cells", "look", "rest", "references"),
    [
        ((Cell("a"), Cell("b")), "", "", ()),
        ((done("a"), Cell("b", Phase.DENOISING)), "Look closely", "", ()),
        ((done("a"), blocked("b")), "Look closely", "", ()),
        ((done("a"), blocked("b"), done("c")), "Look closely", "", ((0, "Alpha"), (2, "Gamma"))),
        ((Cell("a", Phase.FAILED), Cell("b", Phase.CANCELLED)), "", "Run the rest (2)", ()),
        ((Cell("a", Phase.INTERRUPTED),), "", "Run it again", ()),
    ],
)
def test_what_can_be_done_with_a_comparison(
    cells: tuple[Cell, ...], look: str, rest: str, references: tuple[tuple[int, str], ...]
) -> None:
    assert present.tools_view(job(*cells), SYSTEMS) == present.ToolsView(look, rest, references)


def test_a_cell_that_runs_again_shows_the_earlier_picture_behind_its_progress() -> None:
    waiting = job(done("a"), done("b").again())
    done_view, view = present.cell_views(waiting, SYSTEMS)
    assert (view.picture, view.backdrop_kind) == ("", "earlier")
    assert view.backdrop == present.picture_address(waiting, 1)
    assert done_view.again == view.again == ""  # one at a time
    assert [view.again for view in present.cell_views(job(done("a"), blocked("b")), SYSTEMS)] == ["Run again", ""]
    assert present.cell_views(job(blocked("a").again()), SYSTEMS)[0].backdrop == ""


def test_a_preview_goes_before_the_earlier_picture() -> None:
    drawing = replace(done("a").again(), phase=Phase.DENOISING, step=8, steps=20, preview=PIXELS, message="Blocked.")
    (view,) = present.cell_views(job(drawing), SYSTEMS)
    assert view.backdrop.startswith("pictures/job-1/preview/01-a.png?v=")
    assert view.backdrop_kind == "preview"
    (later,) = present.cell_views(job(replace(drawing, step=9)), SYSTEMS)
    (newer,) = present.cell_views(job(replace(drawing, preview=PIXELS + 1)), SYSTEMS)
    assert later.backdrop == view.backdrop != newer.backdrop
    assert view.note == "Blocked."


@pytest.mark.parametrize(
    ("compared", "words"),
    [
        (Compared(0, reference=True), "reference"),
        (Compared(1, Similarity(23.06, 0.9124, 0.8706)), "PSNR 23.1 dB, SSIM 0.912, HaarPSI 0.871"),
        (Compared(1, Similarity(inf, 1.0, 1.0)), "identical to Alpha"),
        (Compared(1, why="Another size."), "Another size."),
    ],
)
def test_similarity_in_words(compared: Compared, words: str) -> None:
    assert present.similarity_words(compared, "Alpha") == words


def test_systems_in_words() -> None:
    assert present.choice_label(SYSTEMS["a"]) == "Alpha · U-Net 13.0\N{NO-BREAK SPACE}M"
    assert present.choice_label(SYSTEMS["b"]) == "Beta · 12.1\N{NO-BREAK SPACE}MB on disk"
    (view,) = present.preview_views([system("e", "E", summary=f"As SD. {EMOJI_NOTE}")])
    assert view.detail == "As SD."
    (view,) = present.preview_views([system("w", "W", summary="Found in w.", note="No file states it.")])
    assert view.detail == "Found in w. No file states it."
    lost = system("x", "X", availability=Availability.UNAVAILABLE, reason="its U-Net is missing.")
    assert present.unavailable_facts([SYSTEMS["a"], lost]) == (("X", "its U-Net is missing."),)
    assert present.unavailable_title(1) == "1 more model cannot be chosen yet"
