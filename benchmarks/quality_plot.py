"""A plot of time against quality as an SVG file: one curve per option, with its points named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape

WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 720, 420, 60, 50, 20, 170
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#555555")  # told apart with any colour vision
MARKS = 5  # of each axis

Point = tuple[float, float, str]  # share of the exact time, PSNR in dB, name


def quality_plot(curves: Mapping[str, Sequence[Point]], title: str) -> str:
    """The SVG of these curves; quality rises upwards and time to the right. At least one point is needed."""
    points = [point for curve in curves.values() for point in curve]
    low, high = min(point[1] for point in points) - 2, max(point[1] for point in points) + 2
    furthest = max(point[0] for point in points) * 1.05

    def place(share: float, quality: float) -> tuple[float, float]:
        x = LEFT + (WIDTH - LEFT - RIGHT) * share / furthest
        return round(x, 1), round(TOP + (HEIGHT - TOP - BOTTOM) * (high - quality) / (high - low), 1)

    drawn = [_axes(place, furthest, low, high), f'<text x="{LEFT}" y="14">{escape(title)}</text>']
    for number, (name, curve) in enumerate(curves.items()):
        colour = COLOURS[number % len(COLOURS)]
        placed = [(*place(share, quality), label) for share, quality, label in sorted(curve)]
        line = " ".join(f"{x},{y}" for x, y, _ in placed)
        drawn.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        for x, y, label in placed:
            drawn.append(f'<circle cx="{x}" cy="{y}" r="4" fill="{colour}"><title>{escape(label)}</title></circle>')
            drawn.append(f'<text x="{x + 6}" y="{y - 6}" font-size="10" fill="{colour}">{escape(label)}</text>')
        drawn.append(
            f'<text x="{WIDTH - RIGHT + 12}" y="{TOP + 20 + 20 * number}" fill="{colour}">{escape(name)}</text>'
        )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
        f'font-size="12"><rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>\n' + "\n".join(drawn) + "\n</svg>\n"
    )


def _axes(place, furthest: float, low: float, high: float) -> str:  # type: ignore[no-untyped-def]
    parts = []
    for mark in range(MARKS + 1):
        share, quality = furthest * mark / MARKS, low + (high - low) * mark / MARKS
        x, bottom = place(share, low)
        _, y = place(0, quality)
        parts.append(f'<text x="{x}" y="{bottom + 18}" text-anchor="middle">{share:.2f}</text>')
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4}" text-anchor="end">{quality:.0f}</text>')
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}" stroke="#ddd"/>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(f'<text x="{middle}" y="{HEIGHT - 10}" text-anchor="middle">U-Net time over the exact one</text>')
    parts.append(f'<text x="14" y="{HEIGHT / 2}" transform="rotate(-90 14 {HEIGHT / 2})">PSNR, dB</text>')
    return "\n".join(parts)
