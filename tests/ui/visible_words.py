"""What a visitor reads of HTML and of Gradio's description of a page: texts, and attributes that are read aloud."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

READ = ("alt", "title", "aria-label", "aria-description", "placeholder", "data-alt")
UNREAD = ("style", "script", "code", "pre", "title")
VOID = ("img", "input", "br", "meta", "link", "rect", "path", "polyline")
ENGLISH = re.compile(r"[A-Za-z][A-Za-z’'-]+")
NAMES = set(
    (  # noqa: SIM905
        "BK-SDM SDM Core ML NumPy PyTorch CPU GPU OpenVINO Swift Apple Apple’s diffusers Mac PNG JPEG WebP "
        "HTML ZIP CSV JSON YAML JUnit QR API Ctrl Enter PSNR SSIM HaarPSI dB kB MB GB TB UTC DDIM PNDM "
        "DPM-Solver Karras Euler ancestral U-Net Stable Diffusion Small Base Tiny Original Emoji Alpha Beta "
        "Gamma FID CLIP IS LAION LoRA MS-COCO ViT-g Nota Kim Song Castells Choi OFA-Sys CreativeML OpenRAIL-M "
        "Apache MIT Fluent Microsoft emojibase-data BibTeX LAION-Aesthetics LAION-B SDM-Base SDM-Small "
        "SDM-Tiny BK-SDM-Base BK-SDM-Small BK-SDM-Tiny Python NaN Neural Engine bit ms px Hugging Face seed "
        "steps seeds guidance scheduler prompt label all cigarette English Space en ID "
    ).split()
)


class _Reader(HTMLParser):
    """Collects what is read. Texts that a visitor wrote have dir=auto in the page and are left out."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._open: list[bool] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        hidden = tag in UNREAD or ("lang" in given and tag != "html") or (self._open[-1] if self._open else False)
        if tag not in VOID:
            self._open.append(hidden)
        if not hidden:
            self.found += [value for name, value in attrs if name in READ and value]

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID and self._open:
            self._open.pop()

    def handle_data(self, data: str) -> None:
        if data.strip() and not (self._open and self._open[-1]):
            self.found.append(" ".join(data.split()))


def read_html(markup: str) -> list[str]:
    """The texts of some HTML in order."""
    reader = _Reader()
    reader.feed(markup)
    return reader.found


def read_config(config: dict[str, Any]) -> Iterator[str]:
    """The texts of the components of a page: labels, hints, choices, and the HTML in them."""
    for component in config["components"]:
        props = component["props"]
        if component["type"] == "api" or props.get("visible") in (False, "hidden"):
            continue
        for name in ("label", "info", "placeholder"):
            if isinstance(props.get(name), str):
                yield props[name]
        yield from (str(label) for label, _ in props.get("choices") or [])
        yield from read_html(str(props.get("html_template") or "").replace("${value}", ""))
        value = props.get("value")
        if isinstance(value, str) and component["type"] in ("html", "button"):
            yield from read_html(value)


def english_in(texts: list[str], names: set[str]) -> list[str]:
    """The texts with an English word that is no name."""
    known = NAMES | names
    return [text for text in texts if any(word.strip("-’'") not in known for word in ENGLISH.findall(text))]
