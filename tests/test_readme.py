"""The README is checked like code: the Space's front matter, the files it links and the commands it names."""

import re
from pathlib import Path

import pytest
from huggingface_hub import SpaceCard

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SPACE_COLOURS = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}
SHORT_DESCRIPTION_LIMIT = 60  # characters, the hub refuses longer ones


def test_front_matter_is_a_valid_gradio_space():
    card = SpaceCard(README).data
    assert card.sdk == "gradio"
    assert (ROOT / card.app_file).is_file()
    assert card.license == "apache-2.0"
    assert {card.colorFrom, card.colorTo} <= SPACE_COLOURS
    assert len(card.short_description) <= SHORT_DESCRIPTION_LIMIT
    assert card.models
    assert card.tags


def test_space_runs_the_gradio_that_requirements_pin():
    pinned = re.search(r"^gradio==(\S+)", (ROOT / "requirements.txt").read_text(encoding="utf-8"), re.MULTILINE)
    assert pinned is not None
    assert SpaceCard(README).data.sdk_version == pinned.group(1)


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\]\((?!https?://|#)([^)]+)\)", README))))
def test_linked_files_exist(target: str):
    assert (ROOT / target).exists(), f"README links {target}"


def test_every_make_command_it_names_is_in_the_makefile():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    code = re.findall(r"^make ([a-z-]+)|`make ([a-z-]+)`", README, re.MULTILINE)
    assert code
    for name in {line or inline for line, inline in code}:
        assert re.search(rf"^{name}:", makefile, re.MULTILINE), f"README names `make {name}`"
