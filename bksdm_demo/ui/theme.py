"""Builds the theme: maps Gradio's variables to the page's colours, which page.css defines for light and dark.

Fonts come from Gradio's own files, so the page loads nothing from other hosts. The layout is in page.css.
"""

from __future__ import annotations

import gradio as gr

# Gradio's files for weight 600 hold accented letters only, so 700 replaces it.
FONT = (gr.themes.LocalFont("IBM Plex Sans", weights=(400, 700)), "ui-sans-serif", "system-ui", "sans-serif")
MONO = (gr.themes.LocalFont("IBM Plex Mono", weights=(400, 700)), "ui-monospace", "Menlo", "monospace")

COLOURS = {
    "body_background_fill": "var(--bk-paper)",
    "body_text_color": "var(--bk-ink)",
    "body_text_color_subdued": "var(--bk-soft)",
    "background_fill_primary": "var(--bk-sheet)",
    "background_fill_secondary": "var(--bk-paper)",
    "border_color_primary": "var(--bk-line)",
    "border_color_accent": "var(--bk-accent)",
    "color_accent_soft": "var(--bk-wash)",
    "block_background_fill": "transparent",
    "block_border_color": "transparent",
    "block_label_text_color": "var(--bk-ink)",
    "block_title_text_color": "var(--bk-ink)",
    "block_info_text_color": "var(--bk-soft)",
    "input_background_fill": "var(--bk-sheet)",
    "input_border_color": "var(--bk-edge)",
    "input_border_color_focus": "var(--bk-accent)",
    "input_placeholder_color": "var(--bk-faint)",
    "checkbox_background_color": "var(--bk-sheet)",
    "checkbox_background_color_selected": "var(--bk-accent)",
    "checkbox_border_color": "var(--bk-edge)",
    "checkbox_border_color_selected": "var(--bk-accent)",
    "checkbox_border_color_focus": "var(--bk-accent)",
    "checkbox_label_background_fill": "transparent",
    "checkbox_label_background_fill_selected": "transparent",
    "checkbox_label_text_color": "var(--bk-ink)",
    "checkbox_label_text_color_selected": "var(--bk-ink)",
    "slider_color": "var(--bk-accent)",
    "button_primary_background_fill": "var(--bk-ink)",
    "button_primary_background_fill_hover": "var(--bk-ink-hover)",
    "button_primary_text_color": "var(--bk-paper)",
    "button_primary_border_color": "var(--bk-ink)",
    "button_secondary_background_fill": "var(--bk-sheet)",
    "button_secondary_background_fill_hover": "var(--bk-wash)",
    "button_secondary_text_color": "var(--bk-ink)",
    "button_secondary_border_color": "var(--bk-line-strong)",
}
SHAPES = {
    "block_border_width": "0px",
    "block_padding": "0px",
    "block_shadow": "none",
    "block_label_border_width": "0px",
    "block_title_text_weight": "600",
    "block_title_text_size": "0.875rem",
    "input_shadow": "none",
    "input_shadow_focus": "0 0 0 3px var(--bk-ring)",
    "button_primary_shadow": "none",
    "button_secondary_shadow": "none",
    "checkbox_label_shadow": "none",
    "layout_gap": "20px",
    "form_gap_width": "0px",
}


def build_theme() -> gr.themes.Base:
    """Build the page's theme. Light and dark use the same variables, because page.css switches the colours."""
    theme = gr.themes.Base(
        font=FONT, font_mono=MONO, radius_size=gr.themes.sizes.radius_md, text_size=gr.themes.sizes.text_md
    )
    dark = {f"{name}_dark": value for name, value in COLOURS.items() if hasattr(theme, f"{name}_dark")}
    return theme.set(**COLOURS, **dark, **SHAPES)
