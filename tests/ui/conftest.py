"""Gradio's Blocks make event loops and leave them open; here they are closed, so that no later test trips over them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="package", autouse=True)
def close_loops() -> Iterator[None]:
    made: list[asyncio.AbstractEventLoop] = []
    original = asyncio.new_event_loop

    def remember() -> asyncio.AbstractEventLoop:
        made.append(original())
        return made[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asyncio, "new_event_loop", remember)
        yield
    for loop in made:
        if not loop.is_running():
            loop.close()
    if made:
        asyncio.set_event_loop(None)
