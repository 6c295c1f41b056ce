"""The QR code: whose link it holds, and what a reader needs around it (ISO/IEC 18004: four modules of white)."""

from __future__ import annotations

import io
from collections.abc import Iterator
from xml.etree import ElementTree

import httpx
import pytest
import segno

from bksdm_demo.runs.comparisons import Comparisons
from bksdm_demo.ui.qr import QUIET, code, qr_address
from tests.ui.test_link_cards import drawn
from tests.ui.test_page import served

SVG = "{http://www.w3.org/2000/svg}"
LINK = "https://someone-demo.hf.space/?job=ObJ_crsjMPIXqgfIfEKcPQ"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Comparisons]]:
    with served(tmp_path_factory.mktemp("qr")) as running:
        yield running


def test_the_code_is_that_of_the_link(site: tuple[str, Comparisons]) -> None:
    address, comparisons = site
    job_id = drawn(comparisons, "red apple")
    answer = httpx.get(address + qr_address(job_id))
    assert answer.headers["content-type"] == "image/svg+xml"
    assert answer.content == code(f"{address}?job={job_id}")


def test_behind_no_proxy_a_client_cannot_name_another_host(site: tuple[str, Comparisons]) -> None:
    address, comparisons = site
    job_id = drawn(comparisons, "red apple")
    answer = httpx.get(address + qr_address(job_id), headers={"X-Forwarded-Host": "evil.example"})
    assert answer.content == code(f"{address}?job={job_id}")


def test_an_unknown_comparison_has_no_code(site: tuple[str, Comparisons]) -> None:
    assert httpx.get(site[0] + qr_address("unknown")).status_code == 404


def test_the_svg_has_a_quiet_zone_and_both_colours() -> None:
    root = ElementTree.parse(io.BytesIO(code(LINK))).getroot()
    modules = segno.make(LINK, micro=False, error="m").symbol_size(border=0)[0]
    assert root.get("viewBox") == f"0 0 {modules + 2 * QUIET} {modules + 2 * QUIET}"
    colours = {path.get("fill") or path.get("stroke") for path in root.iter(f"{SVG}path")}
    assert colours == {"#fff", "#000"}
