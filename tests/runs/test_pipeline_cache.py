"""The cache: parts shared by content, one load for many callers, eviction at the budget, errors, cancels."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from bksdm_demo.errors import BusyError, CancelledError, EngineError, ModelUnavailableError
from bksdm_demo.mil.package import package_bytes
from bksdm_demo.records import LoadProgress
from bksdm_demo.runs.pipeline_cache import READING, PipelineCache
from bksdm_demo.units import format_bytes
from tests.fakes import FakeParts, fake_assemble, fake_catalog, write_compiled

PLENTY = 1_000_000  # bytes
PATIENCE = 10  # seconds until a test that hangs fails


def build(
    folder: Path, options: Mapping[str, Mapping[str, Any]] | None = None, budget: int = PLENTY
) -> tuple[PipelineCache, FakeParts]:
    parts = FakeParts(options)
    return PipelineCache(fake_catalog(folder), parts, budget, assemble=fake_assemble), parts


def warm(cache: PipelineCache, *keys: str) -> None:
    for key in keys:
        with cache.lease(key):
            pass


def family_bytes(folder: Path, *keys: str) -> int:
    return sum(package_bytes(folder / "assets" / "emoji" / key) for key in keys)


def shared_bytes(folder: Path) -> int:
    return sum(package_bytes(part) for part in (folder / "assets" / "emoji" / "shared").glob("*.mlpackage"))


def test_a_lease_is_loaded_and_says_that_it_was_cold(tmp_path: Path) -> None:
    cache, parts = build(tmp_path)
    with cache.lease("emoji-base") as lease:
        assert lease.cold
        assert lease.load_seconds > 0
        assert lease.system.key == "emoji-base"
        assert all(engine.loaded for engine in parts.opened.values())
    with cache.lease("emoji-base") as lease:
        assert not lease.cold
    assert [engine.loads for engine in parts.opened.values()] == [1, 1, 1, 1]


def test_systems_share_parts_of_the_same_content(tmp_path: Path) -> None:
    cache, parts = build(tmp_path)
    with cache.lease("emoji-base") as base, cache.lease("emoji-tiny") as tiny:
        assert base.pipeline.text_encoder is tiny.pipeline.text_encoder
        assert base.pipeline.vae is tiny.pipeline.vae
        assert base.pipeline.safety is tiny.pipeline.safety
        assert base.pipeline.unet is not tiny.pipeline.unet
        assert tiny.cold  # its U-Net was not loaded
    assert len(parts.opened) == 5
    state = cache.state()
    assert (state.loads, state.hits, state.evictions) == (5, 3, 0)
    assert state.bytes == shared_bytes(tmp_path) + family_bytes(tmp_path, "emoji-base", "emoji-tiny")


def test_parts_are_keyed_by_content_not_by_path(tmp_path: Path) -> None:
    """A local system whose text encoder holds the same bytes as another's shares it; different bytes do not."""
    write_pair(tmp_path / "models")
    cache = PipelineCache(fake_catalog(tmp_path, tmp_path / "models"), FakeParts(), PLENTY, assemble=fake_assemble)
    with cache.lease("first") as first, cache.lease("second") as second:
        assert first.pipeline.text_encoder is second.pipeline.text_encoder
        assert first.pipeline.safety is second.pipeline.safety
        assert first.pipeline.vae is not second.pipeline.vae


def test_a_shared_part_outlives_the_files_it_was_opened_from(tmp_path: Path) -> None:
    write_pair(tmp_path / "models")
    parts = FakeParts()
    cache = PipelineCache(fake_catalog(tmp_path, tmp_path / "models"), parts, PLENTY, assemble=fake_assemble)
    warm(cache, "first", "second")
    cache.clear()
    shutil.rmtree(tmp_path / "models" / "first")
    warm(cache, "second")
    assert parts.opened[tmp_path / "models" / "second" / "emoji_text_encoder.mlpackage"].loaded
    assert len(cache.state().parts) == 4


def write_pair(models: Path) -> None:
    """Two local systems: the same text encoder and checker, another U-Net and image decoder."""
    for name, unet in (("first", b"1"), ("second", b"2")):
        folder = models / name
        for role in ("emoji_text_encoder", "emoji_vae_decoder", "emoji_safety_checker"):
            content = role.encode() + (b"other" if (name, role) == ("second", "emoji_vae_decoder") else b"")
            write_package_beside(folder, role, content)
        write_package_beside(folder, "emoji_unet", unet)
        (folder / "vocab.json").write_text("{}")
        (folder / "merges.txt").write_text("")


def write_package_beside(folder: Path, role: str, content: bytes) -> None:
    write_compiled(folder / f"{role}.mlpackage" / "Data", content)


def test_changed_files_make_another_pipeline(tmp_path: Path) -> None:
    cache, parts = build(tmp_path)
    warm(cache, "emoji-tiny")
    count = len(parts.opened)
    before: object = parts.engine("tiny_unet")
    weights = next((tmp_path / "assets" / "emoji" / "emoji-tiny").rglob("weight.bin"))
    weights.write_bytes(b"retrained")
    with cache.lease("emoji-tiny") as lease:
        assert lease.pipeline.unet is not before
    assert len(parts.opened) == count  # the paths are the same; only the U-Net was opened again


def test_two_threads_one_load(tmp_path: Path) -> None:
    gate, arrived = threading.Event(), [threading.Event() for _ in range(4)]
    cache, parts = build(tmp_path, {"tiny_unet": {"load_gate": gate}})

    def use(waits: threading.Event) -> bool:
        with cache.lease("emoji-tiny", lambda loading: waits.set() if loading.number else None) as lease:
            return lease.cold

    with ThreadPoolExecutor(4) as pool:
        futures = [pool.submit(use, waits) for waits in arrived]
        assert [waits.wait(PATIENCE) for waits in arrived] == [True] * 4
        gate.set()
        colds = [future.result(PATIENCE) for future in futures]
    assert colds == [True] * 4  # every one found the U-Net not yet loaded
    assert [engine.loads for engine in parts.opened.values()] == [1, 1, 1, 1]


def wait_for_engine(parts: FakeParts, word: str) -> Any:
    for _ in range(PATIENCE * 100):
        if any(word in path.name for path in list(parts.opened)):
            return parts.engine(word)
        threading.Event().wait(0.01)
    raise AssertionError(f"{word} was never opened")


def test_a_failed_load_reaches_every_waiter_and_can_be_tried_again(tmp_path: Path) -> None:
    gate = threading.Event()
    failure = EngineError("The U-Net is torn.")
    cache, parts = build(tmp_path, {"tiny_unet": {"load_gate": gate, "load_failure": failure}})
    with ThreadPoolExecutor(3) as pool:
        futures = [pool.submit(warm, cache, "emoji-tiny") for _ in range(3)]
        engine = wait_for_engine(parts, "tiny_unet")
        assert engine.load_entered.wait(PATIENCE)
        gate.set()
        errors = [future.exception(PATIENCE) for future in futures]
    assert [str(error) for error in errors] == ["The U-Net is torn."] * 3
    assert "Stable_Diffusion_version_emoji-tiny_unet" not in dict(cache.state().parts)
    engine.load_failure = None
    warm(cache, "emoji-tiny")
    assert engine.loaded
    cache.clear()  # nothing is still leased by the failed attempts
    assert cache.state().parts == ()


def test_an_interrupted_load_wakes_the_waiters(tmp_path: Path) -> None:
    cache, parts = build(tmp_path, {"vae": {"load_failure": KeyboardInterrupt()}})
    with pytest.raises(KeyboardInterrupt):
        warm(cache, "emoji-tiny")
    parts.engine("vae").load_failure = None
    warm(cache, "emoji-tiny")


def test_a_part_that_cannot_be_opened_is_tried_again(tmp_path: Path) -> None:
    parts, broken = FakeParts(), [True]

    def open_part(path: Path, exact: bool) -> Any:
        if broken[0]:
            raise EngineError("No such runtime.")
        return parts(path, exact)

    cache = PipelineCache(fake_catalog(tmp_path), open_part, PLENTY, assemble=fake_assemble)
    with pytest.raises(EngineError, match="No such runtime"):
        warm(cache, "emoji-base")
    broken[0] = False
    warm(cache, "emoji-base")


def test_an_error_inside_the_block_gives_the_lease_back(tmp_path: Path) -> None:
    cache, _ = build(tmp_path)
    with pytest.raises(ZeroDivisionError), cache.lease("emoji-base"):
        raise ZeroDivisionError
    cache.clear()
    assert cache.state().parts == ()


def test_the_least_recently_used_part_goes_first(tmp_path: Path) -> None:
    build(tmp_path)
    budget = shared_bytes(tmp_path) + family_bytes(tmp_path, "emoji-original", "emoji-base")
    cache, parts = build(tmp_path, budget=budget)
    warm(cache, "emoji-original", "emoji-base", "emoji-original", "emoji-tiny")
    assert parts.engine("original_unet").loaded
    assert not parts.engine("base_unet").loaded
    assert parts.engine("tiny_unet").loaded
    assert parts.engine("text_encoder").unloads == 0  # used by every lease, so never the oldest
    assert cache.state().evictions == 1
    assert cache.state().bytes <= budget
    warm(cache, "emoji-base")  # comes back
    assert parts.engine("base_unet").loads == 2


def test_leased_parts_stay_and_a_system_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    build(tmp_path)
    budget = shared_bytes(tmp_path) + family_bytes(tmp_path, "emoji-original")
    cache, parts = build(tmp_path, budget=budget)
    with cache.lease("emoji-original"):
        short = format_bytes(family_bytes(tmp_path, "emoji-tiny"))  # its other parts are loaded
        words = rf"Emoji Tiny needs .*, {short} more than is available: .* in use\. Try again later"
        with pytest.raises(BusyError, match=words):
            warm(cache, "emoji-tiny")
        assert parts.engine("original_unet").unloads == 0
    warm(cache, "emoji-tiny")  # fits now
    assert parts.engine("original_unet").unloads == 1


def test_a_system_above_the_budget_is_refused_with_the_missing_bytes(tmp_path: Path) -> None:
    cache, parts = build(tmp_path, {"": {"memory_bytes": 10_000_000}}, budget=25_000_000)
    with pytest.raises(BusyError) as refusal:
        warm(cache, "emoji-tiny")
    assert str(refusal.value) == (
        "Emoji Tiny needs 40.0 MB of memory, 15.0 MB more than is available: the budget for loaded models is 25.0 MB. "
        "Raise the memory budget, or choose a smaller model."
    )
    assert not any(engine.loaded for engine in parts.opened.values())


def test_memory_counts_not_bytes_on_disk(tmp_path: Path) -> None:
    options = {"": {"memory_bytes": 1000}, "unet": {"memory_bytes": 5000}}
    cache, parts = build(tmp_path, options, budget=13_000)
    warm(cache, "emoji-original", "emoji-base")
    assert cache.state().bytes == 3 * 1000 + 2 * 5000
    warm(cache, "emoji-tiny")
    assert cache.state().bytes == 13_000
    assert not parts.engine("original_unet").loaded


def test_clear_leaves_leased_parts(tmp_path: Path) -> None:
    cache, parts = build(tmp_path)
    warm(cache, "emoji-base")
    with cache.lease("emoji-tiny"):
        cache.clear()
        assert not parts.engine("base_unet").loaded
        assert parts.engine("tiny_unet").loaded
        assert parts.engine("vae").loaded


def test_unknown_systems_are_refused(tmp_path: Path) -> None:
    cache, _ = build(tmp_path)
    with pytest.raises(ModelUnavailableError, match="sdxl"):
        warm(cache, "sdxl")


def test_many_threads_over_a_tight_budget_lose_nothing(tmp_path: Path) -> None:
    """Property: afterwards nothing is leased and the budget holds, in whichever order the threads run."""
    build(tmp_path)
    budget = shared_bytes(tmp_path) + family_bytes(tmp_path, "emoji-original", "emoji-base")
    cache, parts = build(tmp_path, budget=budget)
    keys = ("emoji-original", "emoji-base", "emoji-small", "emoji-tiny")

    def use(number: int) -> bool:
        try:
            with cache.lease(keys[number % 4]) as lease:
                assert all(engine.loaded for engine in lease.pipeline.engines)
                return True
        except BusyError:
            return False

    with ThreadPoolExecutor(6) as pool:
        served = list(pool.map(use, range(200)))
    assert any(served)
    assert cache.state().bytes <= budget
    cache.clear()
    assert not any(engine.loaded for engine in parts.opened.values())


# --- Reports and cancels while loading ----------------------------------------------------------------------------

ROLES = ["U-Net", "safety checker", "text encoder", "image decoder"]  # largest first


def test_every_part_that_loads_is_reported(tmp_path: Path) -> None:
    cache, _ = build(tmp_path)
    reported: list[LoadProgress] = []
    with cache.lease("emoji-base", reported.append):
        pass
    assert [(loading.part, loading.number, loading.count) for loading in reported] == [
        (READING, 0, 0),
        *((role, number, 4) for number, role in enumerate(ROLES, start=1)),
    ]
    assert len({loading.began for loading in reported}) == 1
    reported.clear()
    with cache.lease("emoji-tiny", reported.append):
        pass
    assert [(loading.part, loading.number, loading.count) for loading in reported] == [(READING, 0, 0), ("U-Net", 1, 1)]


def test_loading_is_stopped_between_two_parts_and_goes_on_from_there(tmp_path: Path) -> None:
    cache, parts = build(tmp_path)
    reported: list[str] = []

    def report(loading: LoadProgress) -> None:
        reported.append(loading.part)

    stopped = pytest.raises(CancelledError, match="while the model was loading")
    with stopped, cache.lease("emoji-tiny", report, lambda: reported[-1] == "safety checker"):
        raise AssertionError("it was not stopped")
    assert reported == [READING, "U-Net", "safety checker"]
    assert [parts.engine(word).loads for word in ("text_encoder", "unet", "vae", "safety")] == [0, 1, 0, 1]
    warm(cache, "emoji-tiny")
    assert [engine.loads for engine in parts.opened.values()] == [1, 1, 1, 1]
    cache.clear()  # the attempt that was stopped leases nothing any longer
    assert cache.state().parts == ()


def test_a_waiting_caller_loads_the_part_when_the_other_is_stopped(tmp_path: Path) -> None:
    gate, stop, waits = threading.Event(), threading.Event(), threading.Event()
    cache, parts = build(tmp_path, {"text_encoder": {"load_gate": gate}})

    def report(loading: LoadProgress) -> None:
        if loading.number:
            waits.set()

    def first() -> None:
        with cache.lease("emoji-tiny", cancelled=stop.is_set):
            raise AssertionError("it was not stopped")

    def second() -> list[bool]:
        with cache.lease("emoji-tiny", report) as lease:
            return [engine.loaded for engine in lease.pipeline.engines]

    with ThreadPoolExecutor(2) as pool:
        loader = pool.submit(first)
        assert wait_for_engine(parts, "text_encoder").load_entered.wait(PATIENCE)
        waiter = pool.submit(second)
        assert waits.wait(PATIENCE)
        stop.set()
        gate.set()
        assert isinstance(loader.exception(PATIENCE), CancelledError)
        assert waiter.result(PATIENCE) == [True] * 4
    assert [engine.loads for engine in parts.opened.values()] == [1, 1, 1, 1]


def test_a_waiting_caller_can_be_stopped_alone(tmp_path: Path) -> None:
    gate, stop = threading.Event(), threading.Event()
    cache, parts = build(tmp_path, {"text_encoder": {"load_gate": gate}})

    def second() -> None:
        with cache.lease("emoji-tiny", lambda loading: stop.set() if loading.number else None, stop.is_set):
            raise AssertionError("it was not stopped")

    with ThreadPoolExecutor(2) as pool:
        loader = pool.submit(warm, cache, "emoji-tiny")
        assert wait_for_engine(parts, "text_encoder").load_entered.wait(PATIENCE)
        assert isinstance(pool.submit(second).exception(PATIENCE), CancelledError)
        gate.set()
        loader.result(PATIENCE)
    assert all(engine.loaded for engine in parts.opened.values())


def test_warming_takes_free_memory_only(tmp_path: Path) -> None:
    cache, parts = build(tmp_path, {"": {"memory_bytes": 10}}, budget=40)
    cache.warm("emoji-tiny")
    with pytest.raises(BusyError, match="Emoji Base needs 40 B of memory, 10 B more than is available"):
        cache.warm("emoji-base")
    assert not parts.engine("base_unet").loaded
    with cache.lease("emoji-tiny") as lease:
        assert not lease.cold
    with cache.lease("emoji-base"):  # what was warmed gives way to what somebody asks for
        assert not parts.engine("tiny_unet").loaded


def test_a_lease_without_room_waits_for_a_part_that_is_warmed(tmp_path: Path) -> None:
    """The part cannot be unloaded while it loads, but nobody has asked for it."""
    gate = threading.Event()
    cache, parts = build(tmp_path, {"": {"memory_bytes": 10}, "tiny_unet": {"load_gate": gate}}, budget=40)
    with ThreadPoolExecutor(2) as pool:
        warmed = pool.submit(cache.warm, "emoji-tiny", cancelled=gate.is_set)
        assert wait_for_engine(parts, "tiny_unet").load_entered.wait(PATIENCE)
        leased = pool.submit(warm, cache, "emoji-base")
        wait_for_engine(parts, "base_unet")
        gate.set()
        leased.result(PATIENCE)
        assert isinstance(warmed.exception(PATIENCE), CancelledError)
    assert parts.engine("base_unet").loaded
    assert not parts.engine("tiny_unet").loaded
