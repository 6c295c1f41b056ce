"""A blocked picture never leaves the server: every byte of every answer is recorded and searched."""

from __future__ import annotations

import base64
import io
import re
import threading
import zipfile
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from starlette.middleware import Middleware

from bksdm_demo.runs.comparisons import Comparisons
from bksdm_demo.ui.page import build_page, launch_options
from bksdm_demo.ui.reports import report_address
from tests.browser.test_comparison import DONE, type_and_submit, visit
from tests.fakes import BLOCKED_WORD, fake_comparisons, fake_parts
from tests.ui.test_page import free_port

pytestmark = pytest.mark.browser

DATA_ADDRESS = re.compile(rb"data:image/(?:png|jpeg|webp|gif)[^,]{0,40};base64,([A-Za-z0-9+/=]+)")
REPORTS = ("html", "zip", "csv", "json")


class Recorder:
    """ASGI middleware that keeps the body of every answer, streams included, by the path asked for."""

    def __init__(self, app: Any, bodies: dict[int, tuple[str, bytearray]]) -> None:
        self.app, self.bodies, self.lock = app, bodies, threading.Lock()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        with self.lock:
            body = bytearray()
            self.bodies[len(self.bodies)] = (scope["path"], body)

        async def keep(message: Any) -> None:
            body.extend(message.get("body", b""))
            await send(message)

        await self.app(scope, receive, keep)


class Site:
    """A page over fake parts, the service behind it, and all that has left it."""

    def __init__(self, address: str, comparisons: Comparisons, bodies: dict[int, tuple[str, bytearray]]) -> None:
        self.address, self.comparisons, self._bodies = address, comparisons, bodies

    def images(self) -> list[tuple[str, NDArray]]:
        """Every picture in the answers so far, [H, W, 3], with the path it was in."""
        return [(path, image) for path, body in list(self._bodies.values()) for image in images_in(bytes(body))]

    def judged(self) -> list[NDArray]:
        """Every picture that the fake checker flagged: float [64, 64, 3] in [0, 1]."""
        calls = fake_parts(self.comparisons).engine("safety_checker").calls
        return [call["images"][0] for call in calls if (call["images"][0, 0, 0] == 1.0).all()]

    def leaks(self) -> list[str]:
        """Where a flagged picture, of whatever size, is in an answer."""
        flagged = self.judged()
        assert flagged
        return [path for path, image in self.images() for picture in flagged if alike(image, picture)]


def images_in(body: bytes) -> Iterator[NDArray]:
    """The pictures that are, or are inside, one answer: as they are, in a ZIP, or written into text."""
    if body.startswith(b"PK"):
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            for name in archive.namelist():
                yield from images_in(archive.read(name))
        return
    for data in (body, *(base64.b64decode(match) for match in DATA_ADDRESS.findall(body.replace(b"\\/", b"/")))):
        try:
            yield np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
        except UnidentifiedImageError:
            continue


def alike(image: NDArray, picture: NDArray) -> bool:
    """Whether the image shows the picture, at any scale."""
    small = Image.fromarray(image).resize(picture.shape[1::-1], Image.Resampling.BOX)
    return float(np.abs(np.asarray(small) / 255.0 - picture).mean()) < 0.05


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    bodies: dict[int, tuple[str, bytearray]] = {}
    comparisons = fake_comparisons(tmp_path_factory.mktemp("site"), preview_share=1.0)
    page = build_page(comparisons)
    options = launch_options(comparisons)
    options["app_kwargs"]["middleware"] = [Middleware(Recorder, bodies=bodies)]
    _, address, _ = page.launch(prevent_thread_lock=True, quiet=True, server_port=free_port(), **options)
    try:
        yield Site(address, comparisons, bodies)
    finally:
        page.close(verbose=False)
        comparisons.close()


def everything(page: Any, site: Site) -> str:
    """Compare with previews, reload, open the gallery, fetch every report and every address; returns the job's id."""
    page.wait_for_selector(DONE)
    page.wait_for_function("location.search.includes('job=')")
    found = re.search(r"job=([^&]+)", page.url)
    assert found is not None
    job_id = found.group(1)
    page.reload()
    page.wait_for_selector(DONE)
    page.click("button[role=tab]:has-text('Gallery')")
    page.wait_for_selector(f"[data-open='{job_id}']")
    page.wait_for_function("[...document.images].every(image => image.complete)")
    assert all(page.request.get(site.address + report_address(job_id, kind)).ok for kind in REPORTS)
    for name in ("01-emoji-original", "02-emoji-base", "03-emoji-small", "04-emoji-tiny"):
        for folder in ("", "preview/"):
            page.request.get(f"{site.address}pictures/{job_id}/{folder}{name}.png")
    return job_id


def test_no_answer_holds_a_blocked_picture(chromium: Any, site: Site) -> None:
    page = visit(chromium, site.address)
    page.click("#bk-settings button")
    page.check("#bk-previews input")
    type_and_submit(page, f"{BLOCKED_WORD} on a table")
    everything(page, site)
    page.click("button[role=tab]:has-text('Compare')")
    assert page.locator(".bk-column[data-tone=blocked]").count() == 4
    assert page.locator(".bk-board :is(.bk-picture, img)").count() == 0
    assert len(site.judged()) >= 4
    assert site.leaks() == []


def test_the_search_finds_what_is_allowed(chromium: Any, site: Site) -> None:
    """Proves that the test above can fail: it finds an allowed picture in the page's pictures and in the reports."""
    page = visit(chromium, site.address)
    type_and_submit(page, "red apple")
    job_id = everything(page, site)
    passed = np.asarray(Image.open(io.BytesIO(site.comparisons.picture(job_id, 0))).convert("RGB")) / 255.0
    places = {path for path, image in site.images() if alike(image, passed)}
    assert {f"/pictures/{job_id}/01-emoji-original.png", f"/reports/{job_id}.html", f"/reports/{job_id}.zip"} <= places
