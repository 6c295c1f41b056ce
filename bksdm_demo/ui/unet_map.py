"""Draws Stable Diffusion v1.4's U-Net with the parts that each BK-SDM removes; a press on a part tells about it.

The words about a part are all in the page; unet_map.js shows those of the pressed one. The reasons for what stays and
goes are those of Kim et al., arXiv 2305.15798, section 3.1; the scores are Nota's; the weights are counted.
"""

from __future__ import annotations

from html import escape

from bksdm_demo.languages import marked, say
from bksdm_demo.ui.about_text import SCORES
from bksdm_demo.ui.blocks import LATENT, LEVELS, PAIRS_DOWN, PAIRS_UP, UNETS, UNet, has_attention
from bksdm_demo.ui.unet_weights import DOWN, MID, UP, Part, parts

ORIGINAL, *COMPRESSED = UNETS
VARIANTS = {"original": "Original", "base": "Base", "small": "Small", "tiny": "Tiny"}  # value of the choice -> label
FID, CLIP = 1, 3  # columns of SCORES

# In units of the view box: at 288 pixels, on a phone with large text, a part is still 24 pixels high and wide.
WIDTH, ROW, TOP = 360, 42, 3
PART_WIDTH, PART_HEIGHT, GAP, INDENT = 37, 32, 7, 14
HEIGHT = TOP + LEVELS * ROW + PART_HEIGHT + TOP

DOES = {
    DOWN: marked(
        "On the way down: finds features at {side} × {side} positions and hands them on, inward and across to the way "
        "up."
    ),
    MID: marked("The middle: the last look at the whole picture, at {side} × {side} positions."),
    UP: marked(
        "On the way up: joins what comes from inside with what the way down found at {side} × {side} positions, and "
        "refines it."
    ),
}
WITH_ATTENTION = marked(
    "The residual block looks at neighbouring positions; attention lets every position see all others and the words of "
    "the prompt."
)
RESIDUAL_ONLY = marked("A residual block only: it looks at neighbouring positions. This stage has no attention.")
SIZE = marked("It has {millions} million weights, {share} % of the U-Net.")
REMOVED = {  # by the first model that lacks it: why, and what it cost after the distillation
    "base": marked(
        "Base, Small and Tiny lack it, with the like pair of every other stage. FID went from {fid_before} to {fid}, "
        "CLIP score from {clip_before} to {clip}: the step from the original to Base."
    ),
    "small": marked(
        "Small and Tiny lack it. The authors found that most pictures hardly change without it, even before any "
        "training. FID went from {fid_before} to {fid}, CLIP score from {clip_before} to {clip}: the step from Base to "
        "Small."
    ),
    "tiny": marked(
        "Only Tiny lacks it, with all of the innermost stages. FID went from {fid_before} to {fid}, CLIP score from "
        "{clip_before} to {clip}: the step from Small to Tiny."
    ),
}
KEPT = {
    DOWN: marked("Every model keeps it: the first pair of a stage handles the change of resolution."),
    UP: marked("Every model keeps it: the first and last pairs of a stage on the way up take what the kept ones send."),
}
HINT = marked("Choose a model to see what it lacks. Press a part to read what it does and what its removal cost.")
PRESSED = "mid-3-0"  # at first
SOURCE = marked(
    "Weights are counted on the published configuration. FID (lower is better) and CLIP score (higher is better) are "
    "those of whole models after distillation, from the table below."
)


def removes(unet: UNet, part: Part) -> bool:
    """Whether this U-Net lacks the part."""
    return not unet.mid if part.side == MID else not unet.keeps(part.level, part.pair, part.side == DOWN)


def part_words(part: Part) -> tuple[str, ...]:
    """Return the sentences about a part: what it does, how it is built, its size, and what its removal cost."""
    attention = part.side == MID or has_attention(part.level)
    size = say(
        SIZE,
        millions=f"{part.weights / 1e6:.1f}",
        share=f"{100 * part.weights / ORIGINAL.parameters:.1f}",
    )
    does = say(DOES[part.side], side=LATENT >> part.level)
    return does, say(WITH_ATTENTION if attention else RESIDUAL_ONLY), size, _cost(part)


def part_title(part: Part) -> str:
    """Return the name of a part: "Down, 64 × 64, pair 2 of 2"."""
    side = LATENT >> part.level
    if part.side == MID:
        return say("The mid stage, {side} × {side}", side=side)
    if part.side == DOWN:
        return say("Down, {side} × {side}, pair {pair} of {pairs}", side=side, pair=part.pair + 1, pairs=PAIRS_DOWN)
    return say("Up, {side} × {side}, pair {pair} of {pairs}", side=side, pair=part.pair + 1, pairs=PAIRS_UP)


def _cost(part: Part) -> str:
    first = next((place for place, unet in enumerate(COMPRESSED, start=1) if removes(unet, part)), None)
    if first is None:
        return say(KEPT[part.side])
    before, after = SCORES[first - 1], SCORES[first]
    return say(
        REMOVED[list(VARIANTS)[first]],
        fid_before=before[FID],
        fid=after[FID],
        clip_before=before[CLIP],
        clip=after[CLIP],
    )


def unet_map() -> str:
    """Return the figure: a choice of the model, the drawing with a button on every part, and the words."""
    every = parts()
    buttons = "".join(_button(part) for part in every)
    words = "".join(_words(part) for part in every)
    return (
        f'<figure class="bk-map"><p>{escape(say(HINT))}</p>{_choice()}<div class="bk-map-body">'
        '<div class="bk-map-drawing">'
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" aria-hidden="true">{_lines()}{"".join(map(_drawn, every))}</svg>'
        f'{buttons}</div><div class="bk-map-words" role="status">{words}</div>'
        f"</div><figcaption>{escape(say(SOURCE))}</figcaption></figure>"
    )


def _choice() -> str:
    labels = "".join(
        f'<label><input type="radio" name="bk-map" value="{value}"{" checked" if value == "original" else ""}>'
        f"<span>{escape(label)}</span></label>"
        for value, label in VARIANTS.items()
    )
    return f'<fieldset class="bk-choice"><legend class="bk-hidden">{escape(say("Model"))}</legend>{labels}</fieldset>'


def _words(part: Part) -> str:
    sentences = " ".join(escape(sentence) for sentence in part_words(part))
    hidden = "" if part.key == PRESSED else " hidden"
    return f'<p data-part="{part.key}"{hidden}><strong>{escape(part_title(part))}</strong> {sentences}</p>'


def _button(part: Part) -> str:
    x, y, width = _place(part)
    style = (
        f"left:{100 * x / WIDTH:.3f}%;top:{100 * y / HEIGHT:.3f}%;"
        f"width:{100 * width / WIDTH:.3f}%;height:{100 * PART_HEIGHT / HEIGHT:.3f}%"
    )
    label = escape(part_title(part))
    pressed = "true" if part.key == PRESSED else "false"
    names = f'data-part="{part.key}" aria-pressed="{pressed}" aria-label="{label}"'
    return f'<button type="button" {names} style="{style}"></button>'


def _place(part: Part) -> tuple[float, float, float]:
    """Return the left edge, the top edge and the width of a part."""
    if part.side == MID:
        width = 1.5 * PART_WIDTH
        return _middle() - width / 2, TOP + LEVELS * ROW, width
    step, shift = PART_WIDTH + GAP, INDENT * part.level
    top = TOP + part.level * ROW
    if part.side == DOWN:
        return shift + part.pair * step, top, PART_WIDTH
    return WIDTH - shift - PART_WIDTH - (PAIRS_UP - 1 - part.pair) * step, top, PART_WIDTH


def _middle() -> float:
    """Return the middle between the two ways, which do not have the same number of pairs."""
    return (PAIRS_DOWN * (PART_WIDTH + GAP) + WIDTH - PAIRS_UP * (PART_WIDTH + GAP)) / 2


def _drawn(part: Part) -> str:
    """Draw the blocks of a part side by side, with the models that lack them."""
    x, y, width = _place(part)
    lacking = " ".join(value for value, unet in zip(list(VARIANTS)[1:], COMPRESSED, strict=True) if removes(unet, part))
    kinds = ["residual"]
    if part.side == MID or has_attention(part.level):
        kinds += ["attention"]
    if part.side == MID:
        kinds += ["residual"]
    each = (width - 5 - (len(kinds) - 1)) / len(kinds)  # 2.5 on both sides, for the ring of the pressed part
    return "".join(
        f'<rect data-block="{kind}" data-lacking="{lacking}" x="{x + 2.5 + place * (each + 1):g}" y="{y + 2.5:g}"'
        f' width="{each:g}" height="{PART_HEIGHT - 5}" rx="3"/>'
        for place, kind in enumerate(kinds)
    )


def _lines() -> str:
    """Draw the skip connections, with the positions of each level."""
    lines = []
    for level in range(LEVELS):
        y, side = TOP + level * ROW + PART_HEIGHT / 2, LATENT >> level
        start = INDENT * level + PAIRS_DOWN * (PART_WIDTH + GAP)
        end = WIDTH - INDENT * level - PAIRS_UP * (PART_WIDTH + GAP)
        middle = _middle()
        lines.append(f'<path d="M{start:g} {y:g}H{middle - 28:g} M{middle + 28:g} {y:g}H{end:g}"/>')
        lines.append(f'<text x="{middle:g}" y="{y:g}" text-anchor="middle">{side} × {side}</text>')
    return "".join(lines)
