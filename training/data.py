"""Stage 1: render the pictures and collect their words.

    npm pack @iconify-json/fluent-emoji-flat@1.2.6 emojibase-data@17.0.0   (in training/work/data)
    python -m training.data

Pictures: Microsoft's Fluent Emoji Flat (MIT), rendered at 128 px on white. Words: emojibase-data (MIT).
Writes pictures.npy [N, 128, 128, 3] uint8 and words.json in the same order.
"""

import io
import json
import random
import tarfile
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from training.concepts import COMMON, FLAGGED, listing
from training.workspace import DATA, log

SIDE = 128
PICTURES = DATA / "pictures.npy"
WORDS = DATA / "words.json"
COMMON_WEIGHT = 1.6  # how much more often a common picture is drawn than another
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
    import resvg_py  # not needed where only the words are

    svg = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32" width="{SIDE}" height="{SIDE}">{body}</svg>'
    png = bytes(resvg_py.svg_to_bytes(svg_string=svg, background="white"))
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB").resize((SIDE, SIDE)))


def _icon(record: dict[str, Any], names: dict[str, str], icons: dict[str, Any]) -> str | None:
    code = record["hexcode"].lower()
    name = names.get(code) or names.get(code.replace("-fe0f", ""))
    return icons[name]["body"] if name in icons else None


def bodies() -> dict[str, str]:
    """The SVG body of every emoji that has a picture, on a 32-unit grid, by label."""
    names = _member("iconify-json-fluent-emoji-flat", "chars.json")
    icons = _member("iconify-json-fluent-emoji-flat", "icons.json")["icons"]
    found = {record["label"]: _icon(record, names, icons) for record in records()}
    return {label: body for label, body in found.items() if body}


def build() -> None:
    drawn = bodies()
    by_label = {record["label"]: record for record in records() if record["label"] in drawn}
    wanted = listing({label: record.get("group", -1) for label, record in by_label.items()})
    if unknown := [label for label in (*wanted, *FLAGGED) if label not in by_label]:
        raise SystemExit(f"labels without a picture: {unknown}")
    rendered = np.stack([render(drawn[label]) for label in wanted])
    words = [
        {
            "label": label,
            "plain": list(plain),
            "tags": by_label[label].get("tags", []),
            "common": label in COMMON,
            "flagged": label in FLAGGED,
        }
        for label, plain in wanted.items()
    ]
    _unambiguous(words)
    np.save(PICTURES, rendered)
    WORDS.write_text(json.dumps(words, indent=1))
    log("data", f"{len(words)} pictures, {len(COMMON)} of them common")


def _unambiguous(words: list[dict[str, Any]]) -> None:
    owners: dict[str, str] = {}
    for entry in words:
        for name in names_of(entry):
            if (owner := owners.setdefault(name.lower(), entry["label"])) != entry["label"]:
                raise SystemExit(f"{name!r} names both {owner!r} and {entry['label']!r}")


def pictures() -> NDArray[np.uint8]:
    """[N, 128, 128, 3] uint8."""
    return np.load(PICTURES)


def words() -> list[dict[str, Any]]:
    """For every chosen picture its label, plain words, tags and whether the checker flags it."""
    return json.loads(WORDS.read_text())


def round_of_places(entries: list[dict[str, Any]], draw: random.Random) -> list[int]:
    """A shuffled round of places in words.json: every picture once, common ones COMMON_WEIGHT times on average."""
    places: list[int] = []
    for place, entry in enumerate(entries):
        again = entry["common"] and draw.random() < COMMON_WEIGHT - 1
        places += [place, place] if again else [place]
    return draw.sample(places, len(places))


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
