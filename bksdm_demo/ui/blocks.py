"""Shows which blocks of Stable Diffusion's U-Net each BK-SDM removes: as data, in words, and as a drawing.

The configurations come from Nota's `unet_config` (levels, `layers_per_block`, `mid_block_type`). Which pairs remain
follows from the weights that Nota's training copies from the original: the first of each down stage, the first and the
last of each up stage. Kim et al., arXiv 2305.15798, section 3.1.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

from bksdm_demo.languages import marked, say

LEVELS = 4  # of the original: 64 x 64, 32 x 32, 16 x 16 and 8 x 8 latents
LATENT = 64  # rows and columns of the latents at the outermost level
PAIRS_DOWN, PAIRS_UP = 2, 3  # residual block and attention, per stage of the original

# The drawing, in units of its view box.
WIDTH, BLOCK, HEIGHT, GAP, ROW = 300, 14, 22, 6, 33
INDENT, TOP, MIDDLE = 8, 2, 135


@dataclass(frozen=True)
class UNet:
    """One U-Net, described by what it has of Stable Diffusion v1.4's blocks.

    `parameters` is the number of its weights, counted on its configuration. `levels` counts from the outermost.
    `layers` is the number of pairs in each down stage; each up stage has one more.
    """

    name: str
    parameters: int
    removed: str
    levels: int = LEVELS
    layers: int = PAIRS_DOWN
    mid: bool = True

    def keeps(self, level: int, pair: int, down: bool) -> bool:
        """Whether this U-Net has this pair of the original; pairs count from 0 in the order of execution."""
        if level >= self.levels:
            return False
        return pair < self.layers if down else self.layers == PAIRS_DOWN or pair in (0, PAIRS_UP - 1)


UNETS = (
    UNet("Stable Diffusion v1.4", 859_520_964, marked("The original: nothing is removed.")),
    UNet("BK-SDM-Base", 579_384_964, marked("One pair fewer in every stage, down and up."), layers=1),
    UNet("BK-SDM-Small", 482_346_884, marked("Like Base, and without the mid stage."), layers=1, mid=False),
    UNet(
        "BK-SDM-Tiny",
        323_384_964,
        marked("Like Small, and without the innermost down and up stages."),
        levels=3,
        layers=1,
        mid=False,
    ),
)


CAPTION = marked(
    "Each U-Net runs from the top left down to the mid stage, then up to the top right. The numbers are the rows and "
    "columns of the latents. Residual blocks and attention come in pairs, except in the innermost stages. The first "
    "and last layers, the same in all four, are not drawn. Parameters are exact counts; the model cards round Small "
    "and Tiny up to 0.49 and 0.33 billion."
)


def has_attention(level: int) -> bool:
    """Whether the level has attention: in the original, the innermost stages have residual blocks only."""
    return level < LEVELS - 1


def block_words(unet: UNet) -> str:
    """Describe the drawing in a sentence, for screen readers."""
    values = {
        "model": unet.name,
        "stages": unet.levels,
        "all": LEVELS,
        "down": unet.layers,
        "all_down": PAIRS_DOWN,
        "up": unet.layers + 1,
        "all_up": PAIRS_UP,
    }
    pairs = say(
        "{model}: {stages} of {all} down and up stages; {down} of {all_down} pairs in each down stage, {up} of "
        "{all_up} in each up stage",
        **values,
    )
    return say("{pairs}; the mid stage.", pairs=pairs) if unet.mid else say("{pairs}; no mid stage.", pairs=pairs)


def size_words(unet: UNet) -> str:
    """ "482 M parameters, 44 % fewer"."""
    share, millions = 1 - share_of_original(unet), f"{unet.parameters / 1e6:.0f}"
    if not share:
        return say("{millions} M parameters", millions=millions)
    return say("{millions} M parameters, {share} % fewer", millions=millions, share=f"{100 * share:.0f}")


def share_of_original(unet: UNet) -> float:
    """Return its parameters as a share of the original's, in (0, 1]."""
    return unet.parameters / UNETS[0].parameters


def blocks_figure() -> str:
    """Draw the four U-Nets side by side, each with its size and what is removed."""
    cards = "".join(_card(unet) for unet in UNETS)
    return (
        '<figure class="bk-unets"><ul class="bk-unet-key">'
        f'<li><i data-block="residual"></i>{escape(say("residual block"))}</li>'
        f'<li><i data-block="attention"></i>{escape(say("attention"))}</li>'
        f'<li><i data-block="removed"></i>{escape(say("removed"))}</li></ul>'
        f'<div class="bk-unet-row">{cards}</div><figcaption>{escape(say(CAPTION))}</figcaption></figure>'
    )


def _card(unet: UNet) -> str:
    return (
        f'<div class="bk-unet"><h3>{escape(unet.name)}</h3>{_drawing(unet)}'
        f'<p class="bk-unet-size"><span style="--share:{share_of_original(unet):.3f}"></span>'
        f"{escape(size_words(unet))}</p><p>{escape(say(unet.removed))}</p></div>"
    )


def _drawing(unet: UNet) -> str:
    rows = "".join(_level(unet, level) for level in range(LEVELS))
    mid_top = TOP + LEVELS * ROW
    kinds = ("residual", "attention", "residual")
    mid = "".join(
        _block(MIDDLE - 1.5 * BLOCK - 1 + place * (BLOCK + 1), mid_top, kind, unet.mid)
        for place, kind in enumerate(kinds)
    )
    return (
        f'<svg viewBox="0 0 {WIDTH} {mid_top + HEIGHT + TOP}" role="img" aria-label="{escape(block_words(unet))}">'
        f'{rows}{mid}<text x="{MIDDLE + 2 * BLOCK}" y="{mid_top + HEIGHT / 2}">{escape(say("mid"))}</text></svg>'
    )


def _level(unet: UNet, level: int) -> str:
    """Draw both stages of a level, and the skip connections between them as a line with the resolution."""
    top, kept = TOP + level * ROW, level < unet.levels
    down, up = list(_stage(level, True)), list(_stage(level, False))
    blocks = "".join(
        _block(x, top, kind, unet.keeps(level, pair, towards))
        for towards, stage in ((True, down), (False, up))
        for x, kind, pair in stage
    )
    side, height = LATENT >> level, top + HEIGHT / 2
    start, end = down[-1][0] + BLOCK + 4, up[0][0] - 4
    lines = f'<path d="M{start} {height}H{MIDDLE - 26} M{MIDDLE + 26} {height}H{end}"/>' if kept else ""
    label = f'<text x="{MIDDLE}" y="{height}" text-anchor="middle">{side} × {side}</text>'
    return blocks + lines + label


def _stage(level: int, down: bool) -> Iterator[tuple[float, str, int]]:
    """Yield the left edge, kind and pair of every block that the original has in this stage."""
    kinds = ("residual", "attention") if has_attention(level) else ("residual",)
    count = PAIRS_DOWN if down else PAIRS_UP
    pair_width = len(kinds) * (BLOCK + 1) - 1
    width = count * pair_width + (count - 1) * GAP
    left = INDENT * level if down else WIDTH - INDENT * level - width
    for pair in range(count):
        for place, kind in enumerate(kinds):
            yield left + pair * (pair_width + GAP) + place * (BLOCK + 1), kind, pair


def _block(x: float, y: float, kind: str, kept: bool) -> str:
    inset = 0 if kept else 0.5  # draws the outline inside
    return (
        f'<rect data-block="{kind if kept else "removed"}" x="{x + inset:g}" y="{y + inset:g}"'
        f' width="{BLOCK - 2 * inset:g}" height="{HEIGHT - 2 * inset:g}" rx="2"/>'
    )
