"""Every published layout, from the hub to a picture: served small, fetched by the real client, found, run, compared.

The parts are Emoji Tiny's, compiled where the original is; the names, repositories and commits are the published ones.
Whatever the layout, the picture must be that of Emoji Tiny's own packages, bit for bit. In two chunks the numbers cross
in float32 and sums may go another way, so that picture is compared in decibels.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import snapshot_download

from bksdm_demo.diffusion.pipeline import Pipeline
from bksdm_demo.library import linking
from bksdm_demo.library.catalog import Availability
from bksdm_demo.library.fetch import fetch
from bksdm_demo.library.layout import find_parts
from bksdm_demo.library.published import APPLE_REVISION, NOTA_REVISION, published_system
from bksdm_demo.library.record import read_record
from bksdm_demo.mil.compiled_writer import write_compiled, write_programs
from bksdm_demo.mil.package import read_package
from bksdm_demo.records import Request
from bksdm_demo.settings import ASSETS, Settings
from bksdm_demo.start import Services, start
from tests.library.conftest import _client, hub  # noqa: F401
from tests.library.hub_server import HubServer
from tests.mil.unet_forms import chunks, halfway
from tests.translate.programs import psnr

EMOJI = ASSETS / "emoji"
REQUEST = Request("red apple", seed=7, steps=2)
ALIKE = 50.0  # dB between the pictures of a whole U-Net and of the same one in two chunks
APPLE, PCUENQ = "apple/coreml-stable-diffusion-1-4-palettized", "pcuenq/coreml-small-stable-diffusion-v0"
WHOLE, CHUNKED = ("Unet",), ("UnetChunk1", "UnetChunk2")
SHARED = ("TextEncoder", "VAEDecoder", "SafetyChecker")

pytestmark = pytest.mark.skipif(not (EMOJI / "emoji-tiny").is_dir(), reason="the embedded family is not here")

Files = dict[str, bytes]


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Emoji Tiny compiled, its U-Net whole and in two chunks, with its vocabulary."""
    folder = tmp_path_factory.mktemp("compiled")
    parts = find_parts(EMOJI / "emoji-tiny", EMOJI / "shared")
    packages = (parts.text_encoder, parts.vae_decoder, parts.checker(), *parts.unet)
    for name, package in zip((*SHARED, *WHOLE), packages, strict=True):
        write_compiled(package, folder / f"{name}.mlmodelc")
    program = read_package(parts.unet[0])
    for name, half in zip(CHUNKED, chunks(program, halfway(program)), strict=True):
        write_programs([half], folder / f"{name}.mlmodelc")
    for file in (parts.vocab, parts.merges):
        (folder / file.name).write_bytes(file.read_bytes())
    return folder


def below(folder: Path, prefix: str) -> Files:
    """The files below a folder by their path in an archive or a repository."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {f"{prefix}{path.relative_to(folder).as_posix()}": path.read_bytes() for path in files}


def resources(compiled: Path, prefix: str, *unet: str, checker: bool = True) -> Files:
    """A "Resources" folder with the U-Net in the forms that are named."""
    names = [name for name in (*SHARED, *unet) if checker or name != "SafetyChecker"]
    found: Files = {}
    for name in names:
        found |= below(compiled / f"{name}.mlmodelc", f"{name}.mlmodelc/")
    found |= {name: (compiled / name).read_bytes() for name in ("vocab.json", "merges.txt")}
    return {f"{prefix}{name}": data for name, data in found.items()}


def packages(prefix: str, vocabulary: bool) -> Files:
    """A folder of packages as the converter names them."""
    parts = find_parts(EMOJI / "emoji-tiny", EMOJI / "shared")
    found: Files = {}
    for path in parts.models:
        role = path.name.removesuffix(".mlpackage").rpartition("emoji")[2].removeprefix("-tiny")
        name = f"Stable_Diffusion_version_CompVis_stable-diffusion-v1-4{role}.mlpackage/"
        found |= below(path, f"{prefix}{name}")
    files = (parts.vocab, parts.merges) if vocabulary else ()
    return found | {f"{prefix}{file.name}": file.read_bytes() for file in files}


def zipped(files: Mapping[str, bytes], litter: str = "") -> bytes:
    """A zip as a Mac makes it: an entry for every folder and, if a place is named, the archiver's litter."""
    buffer = io.BytesIO()
    folders = {f"{parent.as_posix()}/" for name in files for parent in Path(name).parents if parent.name}
    extra = {f"__MACOSX/{litter}._vocab.json": b"\0\5\x16\7", f"{litter}.DS_Store": b"Bud1"} if litter else {}
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for folder in sorted(folders):
            archive.writestr(folder, b"")
        for name, data in (dict(files) | extra).items():
            archive.writestr(name, data)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def truth(compiled: Path) -> Iterator[np.ndarray]:
    """The picture of the packages as they are embedded."""
    services = start(Settings(precision="f32", cache_dir=compiled / "cache"))
    with services.cache.lease("emoji-tiny") as lease:
        yield draw(lease.pipeline)
    services.close()


def draw(pipeline: Pipeline) -> np.ndarray:
    """The picture, which the checker must have passed."""
    latents = [step.latents for step in pipeline.steps(REQUEST, pipeline.encode(REQUEST))][-1]
    image = pipeline.decode(latents)
    assert pipeline.check(image).blocked is False
    return image


def picture_of(services: Services, key: str) -> np.ndarray:
    with services.cache.lease(key) as lease:
        return draw(lease.pipeline)


def serve(server: HubServer, repos: dict[str, Files]) -> None:
    server.repos |= repos
    server.commits |= {NOTA_REVISION, APPLE_REVISION}


def test_notas_archives(hub: HubServer, compiled: Path, truth: np.ndarray, tmp_path: Path) -> None:  # noqa: F811
    """One folder deep, two deep, and one without a safety checker, which borrows that of another."""
    top = "coreml-bk-sdm-tiny-2m/"
    archives = {
        "coreml-bk-sdm-tiny-2m.zip": zipped(resources(compiled, top, *WHOLE), top),
        "coreml-bk-sdm-small-2m.zip": zipped(resources(compiled, "a/Resources/", *CHUNKED), "a/"),
        "coreml-bk-sdm-base-2m.zip": zipped(resources(compiled, "", *WHOLE, checker=False)),
    }
    serve(hub, {"nota-ai/coreml-bk-sdm": archives})
    for variant in ("tiny", "small", "base"):
        folder = fetch(published_system(f"bk-sdm-{variant}-2m"), tmp_path)
        record = read_record(folder)
        assert record is not None
        assert (record.revision, record.asked) == (NOTA_REVISION, NOTA_REVISION)
        assert not any(path.name in ("__MACOSX", ".DS_Store") for path in folder.rglob("*"))
    services = start(Settings(models_dir=tmp_path, precision="f32", cache_dir=compiled / "cache"))
    try:
        np.testing.assert_array_equal(picture_of(services, "bk-sdm-tiny-2m"), truth)
        np.testing.assert_array_equal(picture_of(services, "bk-sdm-base-2m"), truth)
        assert psnr(picture_of(services, "bk-sdm-small-2m") / 255.0, truth / 255.0) > ALIKE
        small, base = (services.catalog.get(f"bk-sdm-{variant}-2m") for variant in ("small", "base"))
        assert small.parts is not None
        assert [path.stem for path in small.parts.unet] == list(CHUNKED)
        assert "Its safety checker is that of" in base.summary
    finally:
        services.close()


def test_pcuenqs_archives(hub: HubServer, compiled: Path, truth: np.ndarray, tmp_path: Path) -> None:  # noqa: F811
    """Both conversions; one has the U-Net whole and in chunks, and the whole one is taken. The branch is pinned."""
    name = "coreml-small-stable-diffusion-v0"
    archives = {
        f"{name}_{kind}_compiled.zip": zipped(resources(compiled, f"{name}_{kind}_compiled/", *unet), f"{name}/")
        for kind, unet in (("split_einsum", (*WHOLE, *CHUNKED)), ("original", CHUNKED))
    }
    serve(hub, {PCUENQ: archives})
    offer = published_system("small-sd-v0")
    record = read_record(fetch(offer, tmp_path))
    assert record is not None
    assert record.asked == "main"
    assert len(record.revision) == 40
    fetch(offer, tmp_path, attention="original")
    services = start(Settings(models_dir=tmp_path, precision="f32", cache_dir=compiled / "cache"))
    try:
        system = services.catalog.get("small-sd-v0")
        assert system.parts is not None
        assert [path.stem for path in system.parts.unet] == list(WHOLE)
        assert system.revision == record.revision
        np.testing.assert_array_equal(picture_of(services, "small-sd-v0"), truth)
        assert psnr(picture_of(services, "small-sd-v0-original") / 255.0, truth / 255.0) > ALIKE
    finally:
        services.close()


def test_apples_archives(
    hub: HubServer,  # noqa: F811
    compiled: Path,
    truth: np.ndarray,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(linking, "LINK_FROM", 1024)  # bytes; miniatures are small
    name = "coreml-stable-diffusion-1-4-palettized"
    archives = {
        f"{name}_{kind}_compiled.zip": zipped(resources(compiled, f"{kind}_compiled/", *WHOLE), f"{kind}_compiled/")
        for kind in ("split_einsum_v2", "original")
    }
    serve(hub, {APPLE: archives})
    offer = published_system("sd-v1-4-palettized")
    folders = [fetch(offer, tmp_path, attention=kind) for kind in ("split_einsum_v2", "original")]
    weights = [next(folder.rglob("SafetyChecker.mlmodelc/weights/weight.bin")) for folder in folders]
    assert weights[0].samefile(weights[1])  # both have it, the disk once
    services = start(Settings(models_dir=tmp_path, precision="f32", cache_dir=compiled / "cache"))
    try:
        assert services.catalog.get("sd-v1-4-palettized").availability is Availability.ON_DISK
        np.testing.assert_array_equal(picture_of(services, "sd-v1-4-palettized"), truth)
        np.testing.assert_array_equal(picture_of(services, "sd-v1-4-palettized-original"), truth)
        assert services.cache.state().loads == 4  # the second one brought nothing new
    finally:
        services.close()


def test_apples_loose_folders(hub: HubServer, compiled: Path, truth: np.ndarray, tmp_path: Path) -> None:  # noqa: F811
    """Brought by the client's own command into the models directory: each folder of models is a system."""
    files: Files = {"README.md": b"card"}
    for kind in ("split_einsum_v2", "original"):
        files |= resources(compiled, f"{kind}/compiled/", *WHOLE)
        files |= packages(f"{kind}/packages/", vocabulary=kind == "original")
    serve(hub, {APPLE: files})
    snapshot_download(APPLE, revision=APPLE_REVISION, local_dir=tmp_path / "apple", max_workers=2)
    services = start(Settings(models_dir=tmp_path, precision="f32", cache_dir=compiled / "cache"))
    try:
        keys = [f"apple-{kind}-{form}" for kind in ("original", "split_einsum_v2") for form in ("compiled", "packages")]
        local = [system for system in services.catalog.systems() if system.family == "On this machine"]
        assert sorted(system.key for system in local) == sorted(keys)
        for key in keys:
            np.testing.assert_array_equal(picture_of(services, key), truth)
    finally:
        services.close()
