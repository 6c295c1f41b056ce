"""The five published Core ML systems as data: their archives, sizes and licences.

Follows the model cards and repositories named in each entry. Parameter counts are those of BK-SDM's card. The card of
Small Stable Diffusion describes the blocks of BK-SDM-Base (v1.4 with one layer per block), so it has Base's counts.
Sizes are decimal bytes, rounded as published, and only shown beforehand: a download takes size and hash from the hub.
Leaves out loose model folders in the repositories: every system is fetched as one archive.
"""

from __future__ import annotations

from dataclasses import dataclass

from bksdm_demo.errors import ModelUnavailableError

OPENRAIL_M = "CreativeML OpenRAIL-M"
OPENRAIL_M_URL = "https://huggingface.co/spaces/CompVis/stable-diffusion-license"
NOTA_REVISION = "c5fb4e797b9f33438b316de15185a75dba111a2b"
APPLE_REVISION = "2f36b5d37f234ef41df5e25b55240083bd6a95ee"

# Weights of the parts that every system here shares with Stable Diffusion v1, counted on the networks of transformers
# and diffusers with its configuration.
TEXT_ENCODER_WEIGHTS = 123_060_480
IMAGE_DECODER_WEIGHTS = 49_490_199
SAFETY_CHECKER_WEIGHTS = 303_981_588


@dataclass(frozen=True)
class HubFile:
    """One file of a model repository on the hub, at a commit, or at a branch if none is pinned yet."""

    repo: str
    revision: str
    name: str


@dataclass(frozen=True)
class Archive:
    """One zip of a system: the attention of its conversion, and its size in bytes (None: not published)."""

    file: HubFile
    attention: str
    size_bytes: int | None = None


@dataclass(frozen=True)
class PublishedSystem:
    """One system of the table. The first archive suits every machine, the others certain compute units.

    `parameters` and `unet_parameters` are numbers of weights (None if the card does not state them). `size_bytes` is
    the published size of the whole pipeline. Steps, guidance and scheduler are recommendations.
    """

    key: str
    name: str
    family: str
    summary: str
    card_url: str
    archives: tuple[Archive, ...]
    size_bytes: int
    weights: str
    parameters: int | None = None
    unet_parameters: int | None = None
    licence: str = OPENRAIL_M
    licence_url: str = OPENRAIL_M_URL
    licence_note: str = ""
    steps: int = 25
    guidance_scale: float = 7.5
    scheduler: str = "dpmpp-2m"

    def archive(self, attention: str | None = None) -> Archive:
        """The archive with that attention, by default the first. Raises ModelUnavailableError listing the choices."""
        for archive in self.archives:
            if attention in (None, archive.attention):
                return archive
        kinds = ", ".join(archive.attention for archive in self.archives)
        raise ModelUnavailableError(f"{self.name} is not published with attention {attention!r}; choose {kinds}.")

    def folder_name(self, archive: Archive) -> str:
        """The folder and key of an unpacked archive: the system's key; a further archive's attention is added."""
        return self.key if archive == self.archives[0] else f"{self.key}-{archive.attention}"

    def title(self, archive: Archive) -> str:
        """The name of an archive: the system's name; a further archive's attention is added."""
        return self.name if archive == self.archives[0] else f"{self.name} ({archive.attention} attention)"


def _bk_sdm(variant: str, removed: str, size_bytes: int, parameters: int, unet_parameters: int) -> PublishedSystem:
    name = f"bk-sdm-{variant.lower()}-2m"
    archive = HubFile("nota-ai/coreml-bk-sdm", NOTA_REVISION, f"coreml-{name}.zip")
    return PublishedSystem(
        key=name,
        name=f"BK-SDM-{variant}-2M",
        family="BK-SDM",
        summary=f"Nota's compression of Stable Diffusion v1.4: {removed}. "
        "Distilled on 2.3 M LAION pairs in 50 K iterations.",
        card_url=f"https://huggingface.co/nota-ai/{name}",
        archives=(Archive(archive, "split_einsum_v2", size_bytes),),
        size_bytes=size_bytes,
        weights="palettized",
        parameters=parameters,
        unet_parameters=unet_parameters,
    )


PUBLISHED = (
    PublishedSystem(
        key="sd-v1-4-palettized",
        name="Stable Diffusion v1.4",
        family="Stable Diffusion",
        summary="The original that BK-SDM compresses, as Apple converted and palettized it.",
        card_url="https://huggingface.co/apple/coreml-stable-diffusion-1-4-palettized",
        archives=tuple(
            Archive(
                HubFile(
                    "apple/coreml-stable-diffusion-1-4-palettized",
                    APPLE_REVISION,
                    f"coreml-stable-diffusion-1-4-palettized_{attention}_compiled.zip",
                ),
                attention,
                size_bytes,
            )
            for attention, size_bytes in (("split_einsum_v2", 1_570_000_000), ("original", 1_560_000_000))
        ),
        size_bytes=1_570_000_000,
        weights="6-bit palettized",
        parameters=1_040_000_000,
        unet_parameters=860_000_000,
        licence_note="Apple's conversion code has a sample-code licence of its own.",
    ),
    _bk_sdm("Base", "fewer blocks in the outer stages", 1_480_000_000, 760_000_000, 580_000_000),
    _bk_sdm("Small", "fewer blocks in the outer stages, no mid stage", 1_440_000_000, 660_000_000, 490_000_000),
    _bk_sdm(
        "Tiny",
        "fewer blocks in the outer stages, no mid and no innermost stages",
        1_430_000_000,
        500_000_000,
        330_000_000,
    ),
    PublishedSystem(
        key="small-sd-v0",
        name="Small Stable Diffusion v0",
        family="Small Stable Diffusion",
        summary="OFA-Sys' Small Stable Diffusion, begun from v1.4 with one layer per block.",
        card_url="https://huggingface.co/OFA-Sys/small-stable-diffusion-v0",
        archives=tuple(
            Archive(
                HubFile(  # no commit is pinned yet; a fetch records the commit of the branch
                    "pcuenq/coreml-small-stable-diffusion-v0",
                    "main",
                    f"coreml-small-stable-diffusion-v0_{attention}_compiled.zip",
                ),
                attention,
            )
            for attention in ("split_einsum", "original")
        ),
        size_bytes=3_280_000_000,
        weights="float16",
        parameters=760_000_000,
        unet_parameters=580_000_000,
    ),
)


def published_system(key: str) -> PublishedSystem:
    """The published system of that key. Raises ModelUnavailableError listing the keys."""
    for system in PUBLISHED:
        if system.key == key:
            return system
    keys = ", ".join(system.key for system in PUBLISHED)
    raise ModelUnavailableError(f"No published model is called {key!r}; choose one of {keys}.")
