"""Stage 1: render the pictures and collect their words.

    npm pack @iconify-json/fluent-emoji-flat@1.2.6 emojibase-data@17.0.0   (in training/work/data)
    python -m training.data

Pictures: Microsoft's Fluent Emoji Flat (MIT), rendered at 128 px on white. Words: emojibase-data (MIT).
Writes pictures.npz: `chosen` [N, 128, 128, 3] and `others` [M, 128, 128, 3], both uint8; words.json in the same order.
The others only help the autoencoder; the U-Net never sees them.
"""

import io
import json
import random
import tarfile
from typing import Any

import numpy as np
import resvg_py
from numpy.typing import NDArray
from PIL import Image

from training.concepts import FLAGGED, listing
from training.workspace import DATA, log

SIDE = 128
PICTURES = DATA / "pictures.npz"
WORDS = DATA / "words.json"
SKIPPED_GROUPS = (1, 2, 8, 9)  # people, skin tones, symbols, flags: no use to the autoencoder
EMPTY_SHARE = 0.10


def _member(archive: str, name: str) -> Any:
    found = sorted(DATA.glob(f"{archive}-*.tgz"))
    if not found:
        raise SystemExit(f"{archive}: no archive in {DATA}; run the npm pack command of training/README.md")
    with tarfile.open(found[-1]) as tar:
        file = tar.extractfile(f"package/{name}")
        assert file is not None
        return json.load(file)


def records() -> list[dict[str, Any]]:
    """emojibase's records: label, tags, group, hexcode."""
    return _member("emojibase-data", "en/data.json")


def render(body: str) -> NDArray[np.uint8]:
    """An SVG body on a 32-unit grid -> [128, 128, 3] uint8 on white."""
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32" width="{SIDE}" height="{SIDE}">{body}</svg>'
    png = bytes(resvg_py.svg_to_bytes(svg_string=svg, background="white"))
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB").resize((SIDE, SIDE)))


def _icon(record: dict[str, Any], names: dict[str, str], icons: dict[str, Any]) -> str | None:
    code = record["hexcode"].lower()
    name = names.get(code) or names.get(code.replace("-fe0f", ""))
    return icons[name]["body"] if name in icons else None


def build() -> None:
    names = _member("iconify-json-fluent-emoji-flat", "chars.json")
    icons = _member("iconify-json-fluent-emoji-flat", "icons.json")["icons"]
    wanted, by_label = listing(), {record["label"]: record for record in records()}
    unknown = [label for label in (*wanted, *FLAGGED) if label not in by_label]
    if unknown:
        raise SystemExit(f"labels that emojibase does not have: {unknown}")
    chosen = [render(_icon(by_label[label], names, icons) or "") for label in wanted]
    others = [
        render(body)
        for record in records()
        if record["label"] not in wanted
        and record.get("group", 9) not in SKIPPED_GROUPS
        and (body := _icon(record, names, icons))
    ]
    words = [
        {"label": label, "plain": list(plain), "tags": by_label[label].get("tags", []), "flagged": label in FLAGGED}
        for label, plain in wanted.items()
    ]
    np.savez(PICTURES, chosen=np.stack(chosen), others=np.stack(others))
    WORDS.write_text(json.dumps(words, indent=1))
    log("data", f"{len(chosen)} chosen and {len(others)} other pictures")


def pictures(which: str = "chosen") -> NDArray[np.uint8]:
    """[N, 128, 128, 3] uint8."""
    with np.load(PICTURES) as arrays:
        return arrays[which]


def words() -> list[dict[str, Any]]:
    """For every chosen picture its label, plain words, tags and whether the checker flags it."""
    return json.loads(WORDS.read_text())


def names_of(entry: dict[str, Any]) -> list[str]:
    return [entry["label"], *entry["plain"]]


def caption(entry: dict[str, Any], draw: random.Random) -> str:
    """A caption, drawn anew for every sample: usually a name, sometimes with an opening or a few tags."""
    if draw.random() < EMPTY_SHARE:
        return ""
    name = draw.choice(names_of(entry))
    kind = draw.random()
    if kind < 0.20:
        article = "an" if name[0].lower() in "aeiou" else "a"
        name = f"{article} {name}"
    elif kind < 0.30:
        name = f"emoji of {draw.choice(['a ', ''])}{name}"
    if kind > 0.80 and entry["tags"]:
        tags = draw.sample(entry["tags"], min(len(entry["tags"]), draw.randint(1, 3)))
        name = ", ".join([name, *tags])
    return name


if __name__ == "__main__":
    build()
