"""Load progress in words, by table."""

from __future__ import annotations

import pytest

from bksdm_demo.records import LoadProgress
from bksdm_demo.wording.loading import loading_share, loading_words


@pytest.mark.parametrize(
    ("progress", "now", "words", "share"),
    [
        (LoadProgress("text encoder", 1, 4, 100.0), 112.4, "text encoder, 1 of 4, 12 s", 0.0),
        (LoadProgress("U-Net", 2, 4, 100.0), 175.0, "U-Net, 2 of 4, 1 min 15 s", 0.25),
        (LoadProgress("reading its files", 0, 0, 100.0), 99.0, "reading its files, 0 s", None),
    ],
)
def test_load_progress(progress: LoadProgress, now: float, words: str, share: float | None) -> None:
    assert loading_words(progress, now) == words
    assert loading_share(progress) == share
