"""Prewarming: loaded systems are warm for the first visitor, visitors come first, and failures are reported."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bksdm_demo.downloads.background import Background
from bksdm_demo.downloads.download_queue import FetchSystem
from bksdm_demo.downloads.prewarm import Warming, WarmState
from bksdm_demo.errors import EngineError, ModelUnavailableError
from bksdm_demo.library.catalog import EMOJI_FAMILY
from bksdm_demo.library.progress import Report
from bksdm_demo.library.published import PUBLISHED, PublishedSystem
from bksdm_demo.records import LoadProgress, Phase, Request
from bksdm_demo.runs.comparisons import Comparisons
from tests.fakes import FAMILY, fake_background, fake_comparisons, fake_parts, write_fetched

TINY = "bk-sdm-tiny-2m"
PATIENCE = 20  # seconds until a test that hangs fails


@contextmanager
def prewarming(
    folder: Path,
    *keys: str,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    fetch_system: FetchSystem | None = None,
    family: str = "",
    busy: Callable[[], bool] | None = None,
    **limits: Any,
) -> Iterator[tuple[Comparisons, Background]]:
    comparisons = fake_comparisons(folder, options, models_dir=folder / "models", published=PUBLISHED, **limits)
    background = fake_background(comparisons, PUBLISHED, fetch_system, prewarm=keys, family=family, busy=busy)
    background.prewarm.start()
    try:
        yield comparisons, background
    finally:
        background.close()
        comparisons.close()


def ended(background: Background) -> dict[str, Warming]:
    """Wait until no notice is active and return the notices by key."""
    snapshot = background.status_board.snapshot()
    while snapshot.active:
        newer = background.status_board.newer(snapshot.version, PATIENCE)
        assert newer is not snapshot, "nothing happened for too long"
        snapshot = newer
    return {notice.key: notice for notice in snapshot.notices.values() if isinstance(notice, Warming)}


def wait_for_part(background: Background, key: str, part: str) -> LoadProgress:
    """Wait until that part of that system loads and return its progress."""
    snapshot = background.status_board.snapshot()
    while True:
        notice = snapshot.notices[Warming, key]
        assert isinstance(notice, Warming)
        if notice.loading is not None and notice.loading.part == part:
            return notice.loading
        newer = background.status_board.newer(snapshot.version, PATIENCE)
        assert newer is not snapshot, "nothing happened for too long"
        snapshot = newer


def test_a_prewarmed_system_is_warm(tmp_path: Path) -> None:
    with prewarming(tmp_path, "emoji-tiny", "emoji-base") as (comparisons, background):
        notices = ended(background)
        assert {key: notice.state for key, notice in notices.items()} == {
            "emoji-tiny": WarmState.READY,
            "emoji-base": WarmState.READY,
        }
        assert notices["emoji-tiny"].name == "Emoji Tiny"
        assert notices["emoji-tiny"].seconds > 0
        with comparisons.cache.lease("emoji-base") as lease:
            assert not lease.cold
    assert comparisons.cache.state().parts == ()  # nothing stays leased


def test_each_part_is_reported(tmp_path: Path) -> None:
    gate = threading.Event()
    with prewarming(tmp_path, "emoji-tiny", options={"unet": {"load_gate": gate}}) as (_, background):
        loading = wait_for_part(background, "emoji-tiny", "U-Net")
        assert (loading.number, loading.count) == (1, 4)
        gate.set()
        assert ended(background)["emoji-tiny"].state is WarmState.READY


def test_without_keys_nothing_is_posted(tmp_path: Path) -> None:
    with prewarming(tmp_path) as (_, background):
        assert background.status_board.snapshot().version == 0


def test_an_unknown_key_and_a_broken_part_are_reported_and_the_next_system_loads(tmp_path: Path) -> None:
    options = {"base_unet": {"load_failure": EngineError("The U-Net is torn.")}}
    with prewarming(tmp_path, "sdxl", "emoji-base", "emoji-tiny", options=options) as (_, background):
        notices = ended(background)
    assert [notice.state for notice in notices.values()] == [WarmState.FAILED, WarmState.FAILED, WarmState.READY]
    assert "no model called 'sdxl'" in notices["sdxl"].message
    assert notices["emoji-base"].message == "The U-Net is torn."


def test_systems_that_do_not_fit_together_are_reported(tmp_path: Path) -> None:
    options = {"": {"memory_bytes": 10}}
    with prewarming(tmp_path, "emoji-base", "emoji-tiny", options=options, budget_bytes=40) as (_, background):
        notices = ended(background)
    assert notices["emoji-base"].state is WarmState.READY
    assert "10 B more than is available" in notices["emoji-tiny"].message


def test_a_missing_system_is_downloaded_first(tmp_path: Path) -> None:
    def fetch_system(system: PublishedSystem, models_dir: Path, *, report: Report, cancelled: threading.Event) -> Path:
        return write_fetched(models_dir, system.key)

    with prewarming(tmp_path, TINY, fetch_system=fetch_system) as (comparisons, background):
        assert ended(background)[TINY].state is WarmState.READY
        with comparisons.cache.lease(TINY) as lease:
            assert not lease.cold


def test_without_a_hub_the_reason_is_reported_and_the_rest_loads(tmp_path: Path) -> None:
    with prewarming(tmp_path, TINY, "emoji-tiny") as (_, background):
        notices = ended(background)
    assert notices[TINY].message == "The hub of this test cannot be reached."
    assert notices["emoji-tiny"].state is WarmState.READY


def test_closing_stops_between_two_parts(tmp_path: Path) -> None:
    gate = threading.Event()
    with prewarming(tmp_path, "emoji-tiny", options={"unet": {"load_gate": gate}}) as (comparisons, background):
        wait_for_part(background, "emoji-tiny", "U-Net")
        assert fake_parts(comparisons).engine("tiny_unet").load_entered.wait(PATIENCE)
        background.prewarm.close(timeout=0)  # the U-Net is still loading
        gate.set()
        background.prewarm.close(PATIENCE)
        assert ended(background)["emoji-tiny"] == Warming("emoji-tiny", "Emoji Tiny", WarmState.FAILED)
        assert [name for name, _ in comparisons.cache.state().parts] == ["Stable_Diffusion_version_emoji-tiny_unet"]


def test_a_failing_download_is_not_tried_for_ever(tmp_path: Path) -> None:
    asked: list[str] = []

    def fetch_system(system: PublishedSystem, models_dir: Path, *, report: Report, cancelled: threading.Event) -> Path:
        asked.append(system.key)
        raise ModelUnavailableError("No.")

    with prewarming(tmp_path, TINY, fetch_system=fetch_system) as (_, background):
        ended(background)
    assert asked == [TINY]


def test_the_family_is_warm_after_the_chosen_system(tmp_path: Path) -> None:
    with prewarming(tmp_path, "emoji-tiny", family=EMOJI_FAMILY) as (comparisons, background):
        notices = ended(background)
        assert list(notices) == ["emoji-tiny", *(key for key in FAMILY if key != "emoji-tiny")]
        assert {key: notice.quiet for key, notice in notices.items()} == {key: key != "emoji-tiny" for key in FAMILY}
        for key in FAMILY:
            with comparisons.cache.lease(key) as lease:
                assert not lease.cold


def test_nothing_begins_to_load_during_a_visitor_s_comparison(tmp_path: Path) -> None:
    """The part that loads already is finished; the rest follows when the visitor's comparison has ended."""
    gate, busy = threading.Event(), threading.Event()
    options = {"base_unet": {"load_gate": gate}}
    with prewarming(tmp_path, "emoji-base", options=options, busy=busy.is_set) as (comparisons, background):
        wait_for_part(background, "emoji-base", "U-Net")
        busy.set()
        gate.set()
        snapshot = background.status_board.snapshot()
        while snapshot.notices[Warming, "emoji-base"] != Warming("emoji-base", "Emoji Base"):
            snapshot = background.status_board.newer(snapshot.version, PATIENCE)
        assert [name for name, _ in comparisons.cache.state().parts] == ["Stable_Diffusion_version_emoji-base_unet"]
        busy.clear()
        assert ended(background)["emoji-base"].state is WarmState.READY
        assert len(comparisons.cache.state().parts) == 4


def test_a_visitor_s_comparison_ends_although_a_part_is_still_loading(tmp_path: Path) -> None:
    gate = threading.Event()
    with prewarming(tmp_path, "emoji-base", options={"base_unet": {"load_gate": gate}}) as (comparisons, background):
        wait_for_part(background, "emoji-base", "U-Net")
        assert fake_parts(comparisons).engine("base_unet").load_entered.wait(PATIENCE)
        job = comparisons.submit(Request("red apple", seed=7, steps=2), ["emoji-tiny"])
        *_, job = comparisons.watch(job.id)
        assert job.cells[0].phase is Phase.DONE
        assert not gate.is_set()
        gate.set()
        assert ended(background)["emoji-base"].state is WarmState.READY
