"""One visitor of the page over plain HTTP: what the page's scripts ask for, with a session and an address of its own.

The page submits a comparison by an event without a queue, asks /news/ for changes, and fetches pictures. The state of a
comparison as data comes from the API's /job.
"""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterator, Sequence
from random import Random
from typing import Any

import httpx
from PIL import Image

PROMPT = "red apple"
LOOK_AGAIN = 0.5  # seconds between two questions for news
SECONDS = 120.0  # for an answer
FINAL = ("done", "blocked", "failed", "cancelled", "interrupted")


class RefusedError(Exception):
    """The page answered with a sentence instead of a comparison."""


class Visitor:
    """Close it after use. `name` decides its session and address."""

    def __init__(self, server: str, name: str) -> None:
        random = Random(name)
        self.session = f"{random.getrandbits(60):015x}"
        self.forwarded = f"10.{random.randrange(256)}.{random.randrange(256)}.{random.randrange(1, 255)}"
        headers = {"X-Forwarded-For": self.forwarded}
        self._client = httpx.Client(base_url=server, headers=headers, timeout=SECONDS, trust_env=False)
        self._secret = f"{random.getrandbits(128):032x}"

    def __enter__(self) -> Visitor:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def open_page(self) -> None:
        self._client.get("/").raise_for_status()

    def event(self, name: str, values: Sequence[Any]) -> list[Any]:
        """Send one of the page's events that need no queue. Returns what it gives back. Raises RefusedError."""
        body = {"data": list(values), "session_hash": self.session}
        answer = self._client.post(f"/gradio_api/run/{name}", json=body)
        if answer.status_code == 500 and "error" in answer.json():
            raise RefusedError(answer.json()["error"])
        answer.raise_for_status()
        return list(answer.json()["data"])

    def compare(self, models: Sequence[str], steps: int, seeds: Sequence[int]) -> str:
        """Submit a comparison and return its id. Raises RefusedError with the page's notice."""
        listed = ", ".join(map(str, seeds))
        form = [PROMPT, list(models), seeds[0], True, listed if len(seeds) > 1 else "1", "", steps, 3.0]
        found = self.event("page_compare", [self._secret, *form, "dpmpp-2m", "numpy", False, "0:1", False, ""])
        if not isinstance(found[0], str) or not found[0]:
            raise RefusedError(str(found[2]))
        return found[0]

    def state(self, job: str) -> dict[str, Any]:
        """What /job says about a comparison. Raises RefusedError for an unknown one."""
        answer = self._client.post("/gradio_api/call/job", json={"data": [job]})
        answer.raise_for_status()
        text = self._client.get(f"/gradio_api/call/job/{answer.json()['event_id']}").text
        event, _, data = text.strip().rpartition("\n\n")[2].partition("\n")
        if event != "event: complete":
            raise RefusedError(data)
        state: dict[str, Any] = json.loads(data.removeprefix("data: "))[0]
        return state

    def states(self, job: str, pause: float = LOOK_AGAIN) -> Iterator[dict[str, Any]]:
        """The state after each news, up to the finished one, as an open page shows it."""
        word = None
        while True:
            news = self._client.get(f"/news/board/{job}").raise_for_status().text
            if news != word:
                word, state = news, self.state(job)
                yield state
                if state["state"] == "finished":
                    return
            time.sleep(pause)

    def finished(self, job: str, pause: float = LOOK_AGAIN) -> dict[str, Any]:
        return list(self.states(job, pause))[-1]

    def picture(self, column: dict[str, Any]) -> bytes:
        """The PNG of a finished cell. Raises OSError if it is not whole."""
        answer = self._client.get(httpx.URL(column["picture"]).raw_path.decode())
        answer.raise_for_status()
        check_whole(answer.content)
        return answer.content


def check_whole(data: bytes) -> None:
    """Decode every pixel of a PNG. Raises OSError or SyntaxError if it is damaged."""
    with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
        image.load()


def phases(state: dict[str, Any]) -> list[str]:
    """The phases of a comparison's cells."""
    return [str(column["phase"]) for column in state["columns"]]
