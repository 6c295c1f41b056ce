"""The pictures that scenes are made of: things without their background, and drawn backgrounds.

    python -m training.scenes.sprites

Renders every thing at 128 px with transparency, and four variants of every setting from our own SVGs. Writes
`training/work/data/sprites.npz`, about 1 MB, so that a machine without the archives can compose scenes too.
"""

import io
import random
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from training import data
from training.scenes.things import SETTINGS, THINGS
from training.workspace import DATA, log

PATH = DATA / "sprites.npz"
SIDE = data.SIDE
VARIANTS = 4  # of every background
GROUND = 88  # where the ground of a setting begins, in pixels from above

# hue in degrees, saturation and value of a painted thing's body
PAINTS = {
    "red": (356, 0.86, 0.95),
    "orange": (27, 0.88, 1.0),
    "yellow": (51, 0.80, 1.0),
    "green": (128, 0.78, 0.74),
    "blue": (213, 0.85, 0.93),
    "purple": (268, 0.62, 0.75),
    "pink": (328, 0.50, 1.0),
}
Rgba = NDArray[np.uint8]


def _svg(body: str) -> Image.Image:
    import resvg_py  # not needed where the sprites are already rendered

    view = f'viewBox="0 0 {SIDE} {SIDE}" width="{SIDE}" height="{SIDE}"'
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" {view}>{body}</svg>'
    return Image.open(io.BytesIO(bytes(resvg_py.svg_to_bytes(svg_string=svg))))


def _circles(draw: random.Random, count: int, box: tuple[int, int, int, int], sizes: tuple[float, float]) -> list[str]:
    x0, y0, x1, y1 = box
    return [
        f'<circle cx="{draw.uniform(x0, x1):.1f}" cy="{draw.uniform(y0, y1):.1f}" r="{draw.uniform(*sizes):.1f}"/>'
        for _ in range(count)
    ]


def _rectangle(top: float, colour: str) -> str:
    return f'<rect y="{top}" width="{SIDE}" height="{SIDE - top}" fill="{colour}"/>'


def background(setting: str, seed: int) -> Image.Image:
    """One variant of a setting's background, drawn anew from its seed."""
    draw, ground = random.Random(f"{setting} {seed}"), GROUND + 4 * (seed % 3 - 1)
    side = draw.choice((22, SIDE - 22))
    if setting == "night":
        stars = _circles(draw, 16, (0, 0, SIDE, ground - 8), (0.8, 1.8))
        parts = [_rectangle(0, "#1b1d4a"), f'<g fill="#fff3b0">{"".join(stars)}</g>']
        parts += [f'<circle cx="{side}" cy="20" r="12" fill="#ffe98a"/>', _rectangle(ground, "#34406e")]
    elif setting == "snow":
        flakes = _circles(draw, 18, (0, 0, SIDE, ground), (1.4, 2.8))
        parts = [_rectangle(0, "#a9d3ef"), _rectangle(ground, "#f4f8fc"), f'<g fill="#fff">{"".join(flakes)}</g>']
    elif setting == "water":
        bubbles = _circles(draw, 9, (4, 4, SIDE - 4, SIDE - 24), (2, 4.5))
        plants = [
            f'<path d="M{x} 128 q-7 -14 0 -26 q7 -12 0 -24" stroke="#1f9d6b" stroke-width="5" fill="none"/>'
            for x in (draw.randint(5, 16), SIDE - draw.randint(5, 16))
        ]
        parts = [_rectangle(0, "#3aa0e0"), _rectangle(64, "#2b86cf"), _rectangle(112, "#d9c48a"), *plants]
        parts += [f'<g fill="#bfe6ff">{"".join(bubbles)}</g>']
    elif setting == "beach":
        parts = [_rectangle(0, "#bfe8fb"), f'<circle cx="{side}" cy="20" r="12" fill="#ffd84a"/>']
        parts += [_rectangle(ground - 26, "#2f9fe0"), _rectangle(ground - 2, "#f1d595")]
    elif setting == "grass":
        blades = [
            f'<path d="M{x} {y} l3 -8 l3 8" fill="#3f9a35"/>'
            for x, y in ((draw.randint(0, 120), draw.randint(ground + 10, 126)) for _ in range(14))
        ]
        parts = [_rectangle(0, "#cdeffc"), _rectangle(ground, "#6cc24a"), *blades]
    else:
        raise ValueError(f"no setting {setting!r}; there are {', '.join(SETTINGS)}")
    return _svg("".join(parts)).convert("RGB")


def build() -> None:
    bodies = data.bodies()
    things = np.stack([np.asarray(_svg(f'<g transform="scale(4)">{bodies[t.label]}</g>')) for t in THINGS.values()])
    backgrounds = np.stack(
        [[np.asarray(background(name, seed)) for seed in range(VARIANTS)] for name in SETTINGS]
    )  # [settings, variants, 128, 128, 3]
    np.savez_compressed(PATH, things=things, backgrounds=backgrounds)
    log("sprites", f"{len(things)} things, {len(SETTINGS)} settings, {PATH.stat().st_size / 1e6:.1f} MB")


@cache
def _loaded() -> tuple[dict[str, Rgba], dict[str, NDArray[np.uint8]], dict[str, tuple[float, float]]]:
    """Things by name, cut to their own bounds; the settings' backgrounds; and where the things' middles were."""
    if not PATH.exists():
        raise SystemExit("no sprites yet: run python -m training.scenes.sprites")
    with np.load(PATH) as saved:
        things, backgrounds = saved["things"], saved["backgrounds"]
    cut, homes = {}, {}
    for name, picture in zip(THINGS, things, strict=True):
        seen = picture[..., 3] > 8
        rows, columns = np.flatnonzero(seen.any(1)), np.flatnonzero(seen.any(0))
        cut[name] = picture[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        homes[name] = ((columns[0] + columns[-1] + 1) / 2, (rows[0] + rows[-1] + 1) / 2)
    return cut, dict(zip(SETTINGS, backgrounds, strict=True)), homes


def thing(name: str) -> Rgba:
    """[H, W, 4] uint8, not larger than 128 x 128."""
    return _loaded()[0][name]


def home(name: str) -> tuple[float, float]:
    """Where the thing's middle is in its own single picture: x and y in pixels."""
    return _loaded()[2][name]


def backgrounds(setting: str) -> NDArray[np.uint8]:
    """[VARIANTS, 128, 128, 3] uint8."""
    return _loaded()[1][setting]


def body(picture: Rgba) -> tuple[NDArray[np.bool_], float]:
    """The pixels of a thing's main colour, and its hue in degrees (-1 for grey): what paint covers."""
    hue, saturation, value = _hsv(picture)
    opaque = picture[..., 3] > 128
    vivid = opaque & (saturation > 0.35) & (value > 0.25)
    grey = opaque & ~vivid & (value > 0.3)
    if vivid.sum() < 0.8 * grey.sum():
        return grey, -1.0
    counts, _ = np.histogram(hue[vivid], bins=36, range=(0, 360))
    smooth = counts + np.roll(counts, 1) + np.roll(counts, -1)
    peak = 10 * float(smooth.argmax()) + 5
    distance = np.abs((hue - peak + 180) % 360 - 180)
    return vivid & (distance < 28), peak


def _hsv(picture: Rgba) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Hue in degrees, saturation and value in 0 to 1, each [H, W]."""
    rgb = picture[..., :3].astype(np.float64) / 255
    value, low = rgb.max(2), rgb.min(2)
    spread = np.where(value - low > 1e-9, value - low, 1)
    red, green, blue = np.moveaxis(rgb, 2, 0)
    hue = np.where(
        value == red,
        (green - blue) / spread % 6,
        np.where(value == green, (blue - red) / spread + 2, (red - green) / spread + 4),
    )
    return np.where(value - low > 1e-9, hue * 60, 0), (value - low) / np.maximum(value, 1e-9), value


def painted(picture: Rgba, colour: str) -> Rgba:
    """The thing with its main colour replaced; its shading stays."""
    where, _ = body(picture)
    _, saturation, value = _hsv(picture)
    hue, strong, bright = PAINTS[colour]
    light = np.clip(bright * value[where] / np.median(value[where]), 0, 1)
    middle = max(float(np.median(saturation[where])), 0.05)
    rich = np.clip(strong * np.clip(saturation[where] / middle, 0.55, 1.2), 0, 1)
    result = picture.copy()
    result[where, :3] = np.round(255 * _rgb(hue, rich, light)).astype(np.uint8)
    return result


def _rgb(hue: float, saturation: NDArray[np.float64], value: NDArray[np.float64]) -> NDArray[np.float64]:
    """[N, 3] in 0 to 1, of one hue in degrees."""
    places = (np.array([5, 3, 1]) + hue / 60) % 6
    amounts = np.clip(np.minimum(places, 4 - places), 0, 1)
    return value[:, None] * (1 - saturation[:, None] * amounts)


if __name__ == "__main__":
    build()
