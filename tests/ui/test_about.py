"""The About tab: the drawing agrees with the published sizes, and the card describes this server."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

from bksdm_demo.library.published import published_system
from bksdm_demo.store.contract import Retention, Usage
from bksdm_demo.ui.about import about_page, inline
from bksdm_demo.ui.about_text import EMOJI_FIGURES, privacy
from bksdm_demo.ui.blocks import (
    LEVELS,
    PAIRS_DOWN,
    PAIRS_UP,
    UNETS,
    UNet,
    block_words,
    blocks_figure,
    has_attention,
    size_words,
)
from bksdm_demo.ui.compare import EMOJI_NOTE
from bksdm_demo.units import DAY

ROOT = Path(__file__).resolve().parents[2]
CHANNELS, TEXT, TIME = (320, 640, 1280, 1280), 768, 1280  # of Stable Diffusion v1
KEPT_30_DAYS = Usage(0, 0, 0, Retention(2**30, 30 * DAY), "/data")


def conv(inside: int, outside: int, side: int = 3) -> int:
    return side * side * inside * outside + outside


def residual(inside: int, outside: int) -> int:
    """Two normalised convolutions, the timestep's projection, and a shortcut where the width changes."""
    shortcut = conv(inside, outside, 1) if inside != outside else 0
    return 2 * inside + conv(inside, outside) + conv(TIME, outside, 1) + 2 * outside + conv(outside, outside) + shortcut


def attention(width: int) -> int:
    """Self-attention, cross-attention to the text and a gated feed-forward, between two projections."""
    own, text = 3 * width * width + conv(width, width, 1), width * width + 2 * TEXT * width + conv(width, width, 1)
    feed = conv(width, 8 * width, 1) + conv(4 * width, width, 1)
    return 2 * width + 2 * conv(width, width, 1) + 3 * 2 * width + own + text + feed


def weights(unet: UNet) -> int:
    """The number of weights of the U-Net that the drawing describes."""
    widths = CHANNELS[: unet.levels]
    total = conv(4, widths[0]) + conv(widths[0], TIME, 1) + conv(TIME, TIME, 1)
    skips, last = [widths[0]], widths[0]
    for level, width in enumerate(widths):
        for pair in range(PAIRS_DOWN):
            if unet.keeps(level, pair, down=True):
                total += residual(last, width) + (attention(width) if has_attention(level) else 0)
                skips.append(last := width)
        if level < unet.levels - 1:
            total += conv(width, width)
            skips.append(width)
    if unet.mid:
        total += 2 * residual(last, last) + attention(last)
    for level in reversed(range(unet.levels)):
        for pair in range(PAIRS_UP):
            if unet.keeps(level, pair, down=False):
                total += residual(last + skips.pop(), widths[level])
                total += attention(widths[level]) if has_attention(level) else 0
                last = widths[level]
        total += conv(last, last) if level else 0
    assert not skips
    return total + 2 * last + conv(last, 4)


# Counted by diffusers on Nota's configurations.
COUNTED = (859_520_964, 579_384_964, 482_346_884, 323_384_964)


def test_the_blocks_add_up_to_the_stated_parameters() -> None:
    assert tuple(map(weights, UNETS)) == COUNTED == tuple(unet.parameters for unet in UNETS)
    assert [size_words(unet) for unet in UNETS] == [
        "860 M parameters",
        "579 M parameters, 33 % fewer",
        "482 M parameters, 44 % fewer",
        "323 M parameters, 62 % fewer",
    ]


def test_the_published_rounding_is_near() -> None:
    keys = ("sd-v1-4-palettized", "bk-sdm-base-2m", "bk-sdm-small-2m", "bk-sdm-tiny-2m")
    published = [published_system(key).unet_parameters or 0 for key in keys]
    assert all(0 <= stated - counted < 10_000_000 for stated, counted in zip(published, COUNTED, strict=True))


def test_each_unet_has_what_the_one_before_has_or_less() -> None:
    places = [
        (level, pair, down) for level in range(LEVELS) for down in (True, False) for pair in range(2 + (not down))
    ]
    kept = [{place for place in places if unet.keeps(*place)} for unet in UNETS]
    assert [len(one) for one in kept] == [20, 12, 12, 9]
    assert all(after <= before for before, after in pairwise(kept))


def test_the_drawing_shows_just_these_blocks() -> None:
    drawings = re.findall(r"<svg.*?</svg>", blocks_figure())
    assert len(drawings) == 4
    for unet, drawing in zip(UNETS, drawings, strict=True):
        assert drawing.count("<rect") == 15 * 2 + 5 + 3  # pairs, lone residual blocks, the mid stage
        gone = sum(
            (2 if has_attention(level) else 1)
            for level in range(LEVELS)
            for down, count in ((True, PAIRS_DOWN), (False, PAIRS_UP))
            for pair in range(count)
            if not unet.keeps(level, pair, down)
        ) + (0 if unet.mid else 3)
        assert drawing.count('data-block="removed"') == gone
        assert block_words(unet) in drawing
    assert block_words(UNETS[3]) == (
        "BK-SDM-Tiny: 3 of 4 down and up stages; 1 of 2 pairs in each down stage, 2 of 3 in each up stage; "
        "no mid stage."
    )


class Outline(HTMLParser):
    """Headings in order, ids, and what links inside the page name."""

    def __init__(self) -> None:
        super().__init__()
        self.headings: list[int] = []
        self.ids: list[str] = []
        self.targets: list[str] = []
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        self.ids += [values["id"]] if "id" in values else []
        if tag == "a":
            (self.targets if values["href"].startswith("#") else self.addresses).append(values["href"])


def test_headings_links_and_ids() -> None:
    outline = Outline()
    outline.feed(about_page(KEPT_30_DAYS))
    assert outline.headings[0] == 2
    assert all(after <= before + 1 for before, after in pairwise(outline.headings))
    assert len(set(outline.ids)) == len(outline.ids)
    assert {target[1:] for target in outline.targets} <= set(outline.ids)
    assert len(outline.targets) == 11
    assert all(address.startswith("https://") for address in outline.addresses)


def test_privacy_describes_this_server() -> None:
    stored = str(privacy(Retention(2 * 10**9, 30 * DAY), stored=True, own=True).contents)
    assert "30 days" in stored
    assert "2.00 GB" in stored
    assert "only the comparisons started from this browser" in stored
    assert "Only you can star or delete it." in stored
    assert "only in the server’s memory" not in stored
    fleeting = str(privacy(Retention(10**9, None), stored=False, own=False).contents)
    assert "no age limit" in fleeting
    assert "only in the server’s memory" in fleeting
    assert "everybody’s comparisons" in fleeting
    assert "cannot be read" in str(privacy(None, stored=False, own=False).contents)


def test_marks_become_markup_and_nothing_else_does() -> None:
    assert inline("**a** `b` <i> [c](https://d.e/f)") == (
        '<strong>a</strong> <code>b</code> &lt;i&gt; <a href="https://d.e/f" target="_blank" rel="noreferrer">c</a>'
    )
    assert "<a" not in inline("[c](javascript:alert(1))")


def test_figures_of_the_emoji_family_are_those_of_its_card() -> None:
    card = (ROOT / "assets" / "emoji" / "README.md").read_text(encoding="utf-8")
    figures = [figure for row in EMOJI_FIGURES for figure in row[1:]]
    assert len(figures) == 16
    assert all(figure in card for figure in figures)
    known = re.search(r"They know ([\d,]+) emoji", EMOJI_NOTE)
    assert known is not None
    assert f"they know {known[1]} pictures" in card
