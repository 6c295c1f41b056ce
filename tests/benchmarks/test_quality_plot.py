"""The plot of time against quality: valid SVG in which better is higher and slower further right."""

from __future__ import annotations

from xml.etree import ElementTree

from benchmarks.quality_plot import quality_plot

SVG = "{http://www.w3.org/2000/svg}"


def test_better_is_higher_and_slower_further_right() -> None:
    curves = {"options & more": [(0.6, 45.0, "2"), (0.4, 38.0, "3 < 4")], "fewer steps": [(0.5, 40.0, "10")]}
    drawn = ElementTree.fromstring(quality_plot(curves, "emoji-tiny"))
    assert len(drawn.findall(f"{SVG}polyline")) == len(curves)
    places = {
        circle[0].text: (float(circle.attrib["cx"]), float(circle.attrib["cy"]))
        for circle in drawn.findall(f"{SVG}circle")
    }
    assert places["3 < 4"][0] < places["10"][0] < places["2"][0]
    assert places["2"][1] < places["10"][1] < places["3 < 4"][1]  # downwards in SVG
