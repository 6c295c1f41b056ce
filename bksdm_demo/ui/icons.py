"""The page's icons as inline SVG, drawn as lines in the colour of the text."""

from __future__ import annotations

ICONS = {
    "blocked": "M12 3.5 5 6v5.5c0 4.4 3 7.6 7 9 4-1.4 7-4.6 7-9V6z M9 12h6",
    "failed": "M12 4 3.5 19h17z M12 10v4 M12 16.6v.1",
    "stopped": "M12 3.5a8.5 8.5 0 1 0 0 17 8.5 8.5 0 0 0 0-17z M9.5 9.5h5v5h-5z",
    "star": "M12 3.6l2.6 5.3 5.8.8-4.2 4.1 1 5.8-5.2-2.8-5.2 2.8 1-5.8L3.6 9.7l5.8-.8z",
}

_LINES = 'fill="none" stroke="currentColor" stroke-width="1.6" stroke-linecap="round" stroke-linejoin="round"'


def icon(name: str) -> str:
    """Return the icon's markup, "" for a name without an icon."""
    if name not in ICONS:
        return ""
    return f'<svg viewBox="0 0 24 24" aria-hidden="true"><path d="{ICONS[name]}" {_LINES}/></svg>'
