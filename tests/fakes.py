"""Fakes for every room: an engine, a pipeline over such engines, a family of tiny files, and a whole service.

Everything is deterministic, instant and free of weights and network. `fake_comparisons(tmp_path)` is real Catalog,
PipelineCache and Comparisons over fake parts: latents [1, 4, 8, 8] become 64 x 64 pictures whose colours depend on the
noise, the prompt and the model. The fake checker blocks a prompt with the word BLOCKED_WORD, the fake gate one with
REFUSED_WORD. What the fakes leave out: real tokens, real schedulers, guidance.
"""

from __future__ import annotations

import threading
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bksdm_demo.diffusion.prompt_gate import PROMPT_BLOCKED
from bksdm_demo.downloads.background import Background
from bksdm_demo.downloads.download_queue import DownloadQueue, FetchSystem
from bksdm_demo.downloads.prewarm import Prewarm
from bksdm_demo.downloads.status_board import StatusBoard
from bksdm_demo.engines.base import Engine, Port, check_inputs
from bksdm_demo.errors import EngineError, ModelUnavailableError
from bksdm_demo.library.catalog import Catalog
from bksdm_demo.library.layout import Parts
from bksdm_demo.library.progress import Report
from bksdm_demo.library.published import PublishedSystem
from bksdm_demo.mil.package import package_bytes
from bksdm_demo.records import Request, Step, Verdict
from bksdm_demo.runs.comparisons import Comparisons
from bksdm_demo.runs.pipeline_cache import PipelineCache
from tests.fake_files import FAMILY, write_compiled, write_family, write_package

__all__ = ["FAMILY", "write_compiled", "write_family", "write_package"]

Arrays = Mapping[str, NDArray]
Function = Callable[[Arrays], dict[str, NDArray]]

BLOCKED_WORD = "weapon"
REFUSED_WORD = "listed"
TRUNCATED_WORD = "superfluous"  # reported as cut off when a prompt holds it
LATENTS = (1, 4, 8, 8)
MARK = 1e6  # a latent value that no sampler reaches
GATE_SECONDS = 600  # longer than any browser on a loaded machine takes to show what a gate holds still
TOKENS, WIDTH, SCALE = 16, 8, 8  # text length, hidden width, pixels per latent


class FakeEngine:
    """An engine around a numpy function that counts its loads, unloads and runs.

    `delay` seconds pass in each run; `failure` is raised by each run, `load_failure` by each load (set it to None to
    heal); `load_gate` / `run_gate` hold the call until the test sets them, after `load_entered` / `run_entered` was
    set. `calls` keeps the checked inputs of every run.
    """

    kind = "fake"

    def __init__(
        self,
        inputs: Sequence[Port],
        outputs: Sequence[Port],
        function: Function,
        *,
        name: str = "fake part",
        metadata: Mapping[str, str] | None = None,
        size_bytes: int = 1000,
        memory_bytes: int | None = None,
        delay: float = 0.0,
        failure: Exception | None = None,
        load_failure: Exception | None = None,
        load_gate: threading.Event | None = None,
        run_gate: threading.Event | None = None,
    ) -> None:
        self.inputs, self.outputs = tuple(inputs), tuple(outputs)
        self.function, self.name = function, name
        self.metadata = dict(metadata or {})
        self.size_bytes, self.delay = size_bytes, delay
        self.memory_bytes = size_bytes if memory_bytes is None else memory_bytes
        self.failure, self.load_failure = failure, load_failure
        self.load_gate, self.run_gate = load_gate, run_gate
        self.load_entered, self.run_entered = threading.Event(), threading.Event()
        self.loads = self.unloads = self.runs = 0
        self.calls: list[dict[str, NDArray]] = []
        self.loaded = False
        self._lock = threading.RLock()

    def load(self) -> None:
        with self._lock:
            if self.loaded:
                return
            self.loads += 1
            self.load_entered.set()
            _wait(self.load_gate)
            if self.load_failure is not None:
                raise self.load_failure
            self.loaded = True

    def unload(self) -> None:
        with self._lock:
            if self.loaded:
                self.unloads += 1
                self.loaded = False

    def run(self, arrays: Arrays) -> dict[str, NDArray]:
        checked = check_inputs(self.inputs, arrays, self.name)
        with self._lock:
            self.load()
            self.runs += 1
            self.calls.append(checked)
            self.run_entered.set()
            _wait(self.run_gate)
            if self.delay:
                time.sleep(self.delay)
            if self.failure is not None:
                raise self.failure
            produced = self.function(checked)
        return {port.name: np.array(produced[port.name], dtype=np.float32) for port in self.outputs}


def _wait(gate: threading.Event | None) -> None:
    if gate is not None and not gate.wait(timeout=GATE_SECONDS):
        raise EngineError(f"A test left its gate closed for {GATE_SECONDS} seconds.")


# --- Four fake parts with the names, inputs and outputs of the real ones -------------------------------------------


def _encode(arrays: Arrays) -> dict[str, NDArray]:
    ids = arrays["input_ids"].astype(np.float64)  # [1, TOKENS]
    hidden = np.sin(ids[:, :, None] * (1 + np.arange(WIDTH)))
    return {"last_hidden_state": hidden, "pooled_outputs": hidden[:, 0]}


def _predictor(strength: float) -> Function:
    def predict(arrays: Arrays) -> dict[str, NDArray]:
        hidden = arrays["encoder_hidden_states"]  # [2, WIDTH, 1, TOKENS]
        colours = hidden[:, :4, 0].mean(axis=-1)[:, :, None, None]  # [2, 4, 1, 1]
        return {"noise_pred": arrays["sample"] * 0.5 - strength * colours}

    return predict


def _decode(arrays: Arrays) -> dict[str, NDArray]:
    rgb = 0.99 * np.tanh(arrays["z"][:, :3] / 3)
    rgb[arrays["z"][:, :3] >= MARK] = 1.0  # pure white is for marks only
    return {"image": rgb.repeat(SCALE, axis=2).repeat(SCALE, axis=3)}


def _judge(arrays: Arrays) -> dict[str, NDArray]:
    marked = bool((arrays["images"][0, 0, 0] == 1.0).all())  # a corner of pure white
    return {"has_nsfw_concepts": np.array([marked]), "concept_scores": np.array([[0.5 if marked else -0.5]])}


def fake_part(path: Path, **options: Any) -> FakeEngine:
    """The fake engine for a part's path, told by the ending of its name; sized by its files."""
    channels, height, width = LATENTS[1:]
    role = path.stem.rpartition("emoji")[2]
    hidden = Port("encoder_hidden_states", (2, WIDTH, 1, TOKENS))
    pair = Port("sample", (2, channels, height, width))
    picture = (1, height * SCALE, width * SCALE, 3)
    ports: dict[str, tuple[list[Port], list[Port], Function]] = {
        "text_encoder": (
            [Port("input_ids", (1, TOKENS))],
            [Port("last_hidden_state", (1, TOKENS, WIDTH)), Port("pooled_outputs", (1, WIDTH))],
            _encode,
        ),
        "unet": (
            [pair, Port("timestep", (2,)), hidden],
            [Port("noise_pred", pair.shape)],
            _predictor(1 + zlib.crc32(role.encode()) % 100 / 50),
        ),
        "vae_decoder": ([Port("z", LATENTS)], [Port("image", (1, 3, *picture[1:3]))], _decode),
        "safety_checker": (
            [Port("clip_input", (1, 3, 16, 16)), Port("images", picture), Port("adjustment", (1,))],
            [Port("has_nsfw_concepts", (1,)), Port("concept_scores", (1, 1))],
            _judge,
        ),
    }
    for ending, (inputs, outputs, function) in ports.items():
        if path.stem.endswith(ending):
            defaults: dict[str, Any] = {
                "name": path.stem,
                "size_bytes": package_bytes(path),
                "metadata": fake_metadata(path),
            }
            return FakeEngine(inputs, outputs, function, **(defaults | options))
    raise EngineError(f"There is no fake for {path.name}.")


def fake_metadata(path: Path) -> dict[str, str]:
    """A fake part has as many parameters as bytes."""
    return {"parameters": str(package_bytes(path))}


# --- A pipeline over them ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class FakeEncoded:
    hidden: NDArray  # [2, WIDTH, 1, TOKENS]
    truncated: tuple[str, ...] = ()
    negative_truncated: tuple[str, ...] = ()
    blocked: bool = False
    refused: bool = False


class FakePipeline:
    """The surface of diffusion's Pipeline over four fake engines: encode, check_request, steps, decode, check."""

    engine = "fake"

    def __init__(self, text_encoder: Engine, unet: Engine, vae: Engine, safety: Engine) -> None:
        self.text_encoder, self.unet, self.vae, self.safety = text_encoder, unet, vae, safety
        self.engines = (text_encoder, unet, vae, safety)

    @property
    def decoder(self) -> Engine:
        return self.vae

    def encode(self, request: Request) -> FakeEncoded:
        halves = [self._hidden(text) for text in (request.negative_prompt, request.prompt)]
        words = request.prompt.split()
        truncated, negative_truncated = (
            (TRUNCATED_WORD,) if TRUNCATED_WORD in text.split() else ()
            for text in (request.prompt, request.negative_prompt)
        )
        refused = REFUSED_WORD in words
        return FakeEncoded(np.concatenate(halves), truncated, negative_truncated, BLOCKED_WORD in words, refused)

    def check_request(self, request: Request, encoded: FakeEncoded) -> Verdict:
        return Verdict(encoded.refused, PROMPT_BLOCKED if encoded.refused else "")

    def _hidden(self, text: str) -> NDArray:
        ids = list(text.encode())[:TOKENS]
        padded = np.array([ids + [0] * (TOKENS - len(ids))], dtype=np.float32)
        state = self.text_encoder.run({"input_ids": padded})["last_hidden_state"]
        return state.transpose(0, 2, 1)[:, :, None]  # [1, WIDTH, 1, TOKENS]

    def steps(self, request: Request, encoded: FakeEncoded) -> Iterator[Step]:
        latents = np.random.RandomState(request.seed).standard_normal(LATENTS).astype(np.float32)
        for index in range(1, request.steps + 1):
            start = time.perf_counter()
            timestep = 1000 * (1 - index / request.steps)
            noise = self.unet.run(
                {
                    "sample": np.concatenate([latents, latents]),
                    "timestep": np.full(2, timestep),
                    "encoder_hidden_states": encoded.hidden,
                }
            )["noise_pred"]
            latents = latents - (noise[:1] + request.guidance_scale * (noise[1:] - noise[:1])) / request.steps
            if encoded.blocked:
                latents[:, :, 0, 0] = MARK  # _decode makes it pure white, _judge sees it
            yield Step(index, request.steps, timestep, latents, time.perf_counter() - start)

    def decode(self, latents: NDArray) -> NDArray:
        image = self.vae.run({"z": latents})["image"]
        return np.round((image[0].transpose(1, 2, 0) + 1) * 127.5).astype(np.uint8)  # [64, 64, 3]

    def check(self, image: NDArray) -> Verdict:
        arrays = {port.name: np.zeros(port.shape) for port in self.safety.inputs}
        judged = self.safety.run(arrays | {"images": image[None] / 255.0})
        blocked = bool(judged["has_nsfw_concepts"][0])
        scores = tuple(float(score) for score in judged["concept_scores"][0])
        return Verdict(blocked, "The fake checker saw its mark." if blocked else "", scores)


def fake_assemble(parts: Parts, open_part: Callable[[Path, bool], Engine]) -> Any:  # in place of a real Pipeline
    """What library.assemble does, over fake engines; refuses a missing checker in the same way."""
    return FakePipeline(
        open_part(parts.text_encoder, True),
        open_part(parts.unet[0], False),
        open_part(parts.vae_decoder, False),
        open_part(parts.checker(), True),
    )


# --- Files, catalogue and service ------------------------------------------------------------------------------------


class FakeParts:
    """The `open_part` of a test: opens fake parts and remembers them by path.

    `options` are FakeEngine's keywords for parts whose file name contains the key, e.g. {"tiny_unet": {"delay": 0.1}}.
    """

    def __init__(self, options: Mapping[str, Mapping[str, Any]] | None = None) -> None:
        self.options = dict(options or {})
        self.opened: dict[Path, FakeEngine] = {}

    def __call__(self, path: Path, exact: bool) -> FakeEngine:
        chosen: dict[str, Any] = {}
        for word, options in self.options.items():
            if word in path.name:
                chosen |= options
        self.opened[path] = fake_part(path, **chosen)
        return self.opened[path]

    def engine(self, word: str) -> FakeEngine:
        """The one opened engine whose file name contains `word`."""
        (engine,) = (engine for path, engine in self.opened.items() if word in path.name)
        return engine


def fake_catalog(folder: Path, models_dir: Path | None = None, published: Sequence[PublishedSystem] = ()) -> Catalog:
    """A real Catalog over the family's files, written below `folder` unless they are there."""
    assets = folder / "assets"
    if not assets.exists():
        write_family(assets)
    return Catalog(assets, models_dir, read_metadata=fake_metadata, published=published)


def fake_comparisons(
    folder: Path,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    *,
    budget_bytes: int = 1_000_000,
    models_dir: Path | None = None,
    published: Sequence[PublishedSystem] = (),
    **limits: Any,
) -> Comparisons:
    """A real Comparisons service over fake parts; `options` as in FakeParts, `limits` as Comparisons' keywords.

    Slow U-Nets: {"unet": {"delay": 0.05}}. One broken model: {"emoji-tiny_unet": {"failure": EngineError("...")}}.
    `fake_parts(service).engine("tiny_unet")` is an engine that a lease has opened. Close the service after use.
    """
    catalog = fake_catalog(folder, models_dir, published)
    cache = PipelineCache(catalog, FakeParts(options), budget_bytes, assemble=fake_assemble)
    return Comparisons(cache, **limits)


def fake_parts(service: Comparisons) -> FakeParts:
    """The fake parts that such a service has opened."""
    assert isinstance(service.cache.open_part, FakeParts)
    return service.cache.open_part


def write_fetched(models_dir: Path, key: str) -> Path:
    """A published system as a download leaves it, with parts that the fakes can open."""
    folder = models_dir / key / "resources"
    for role in ("text_encoder", "unet", "vae_decoder", "safety_checker"):
        write_package(folder / f"Stable_Diffusion_version_{key}_{role}.mlpackage", f"{key} {role}".encode())
    (folder / "vocab.json").write_text("{}")
    (folder / "merges.txt").write_text("")
    return models_dir / key


def fake_background(
    comparisons: Comparisons,
    offers: Sequence[PublishedSystem] = (),
    fetch: FetchSystem | None = None,
    *,
    prewarm: Sequence[str] = (),
    family: str = "",
    busy: Callable[[], bool] | None = None,
    **options: Any,
) -> Background:
    """A real Background beside such a service; `fetch` replaces the download, `busy` the comparisons'. Close it."""
    status_board, models_dir = StatusBoard(), comparisons.catalog.models_dir or Path("nowhere")
    downloads = DownloadQueue(comparisons.catalog, models_dir, offers, status_board, fetch=fetch or _no_hub, **options)
    is_busy = busy or (lambda: comparisons.busy)
    warm = Prewarm(comparisons.cache, downloads, status_board, prewarm, family, is_busy)
    return Background(status_board, downloads, warm)


def _no_hub(system: PublishedSystem, models_dir: Path, *, report: Report, cancelled: threading.Event) -> Path:
    raise ModelUnavailableError("The hub of this test cannot be reached.")
