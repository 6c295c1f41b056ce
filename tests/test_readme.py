"""Documents are checked like code: the front matter, links, files, commands, flags and variables that they name."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import typer
from huggingface_hub import SpaceCard

import app as page
from bksdm_demo.cli.app import app as commands
from bksdm_demo.library.published import PUBLISHED
from bksdm_demo.library.publishing import plan
from bksdm_demo.operator_limits import LIMITS

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PLACES = ("training", "benchmarks", "assets/emoji")
DOCUMENTS = {
    str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
    for path in (
        *(ROOT / name for name in ("README.md", "CONTRIBUTING.md")),
        *sorted((ROOT / "docs").glob("*.md")),
        *(ROOT / place / "README.md" for place in PLACES),
    )
}
SPACE_COLOURS = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}
# https://huggingface.co/docs/hub/spaces-config-reference, edited 2026-03-20; `license` is that of every model card.
SPACE_KEYS = {
    "title", "emoji", "colorFrom", "colorTo", "sdk", "python_version", "sdk_version", "suggested_hardware",
    "suggested_storage", "app_file", "app_build_command", "app_port", "base_path", "fullWidth", "header",
    "short_description", "models", "datasets", "tags", "thumbnail", "pinned", "hf_oauth", "hf_oauth_scopes",
    "hf_oauth_expiration_minutes", "hf_oauth_authorized_org", "disable_embedding", "startup_duration_timeout",
    "custom_headers", "preload_from_hub", "license",
}  # fmt: skip
ONLY_OTHER_SPACES = {"app_build_command", "app_port"}  # of static and Docker Spaces
SUGGESTED = {"cpu-basic", "cpu-upgrade"}  # of the documented hardware, what this demo can use
SHORT_DESCRIPTION_LIMIT = 60  # characters, the hub refuses longer ones
OTHER_TOOLS = (
    "hf ",
    "docker ",
    "npm ",
    "xcode-select ",
    "brew ",
    "pip ",
    "make soak ",
    "python -m benchmarks",
    ".venv/bin/pip ",
    ".venv-training/bin/pip ",
    "--bundle-resources-for-swift-cli",
)

documents = pytest.mark.parametrize("name", DOCUMENTS)


def code_of(text: str) -> list[str]:
    """The lines of fenced code, and code in backticks; of a line only what stands before its comment."""
    fenced = re.findall(r"^ *```\w*\n(.*?)^ *```", text, re.DOTALL | re.MULTILINE)
    inline = re.findall(r"`([^`\n]+)`", re.sub(r"^ *```.*?^ *```", "", text, flags=re.DOTALL | re.MULTILINE))
    lines = [re.split(r"\s+# ", line.strip())[0] for block in fenced for line in block.splitlines()]
    return [line for line in [*lines, *inline] if line]


def anchors(text: str) -> set[str]:
    """The ids that GitHub gives the headings."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_front_matter_is_a_valid_gradio_space() -> None:
    card: Any = SpaceCard(README).data  # its attributes come from the file
    assert card.sdk == "gradio"
    assert (ROOT / card.app_file).is_file()
    assert card.license == "apache-2.0"
    assert {card.colorFrom, card.colorTo} <= SPACE_COLOURS
    assert len(card.short_description) <= SHORT_DESCRIPTION_LIMIT
    assert card.models
    assert card.tags


def test_front_matter_as_published_has_only_documented_keys() -> None:
    """`publish` adds those that contain the Space's name and its models."""
    made = plan(ROOT, "someone/demo", preload=PUBLISHED[:2])
    card = made.card
    assert card.keys() <= SPACE_KEYS - ONLY_OTHER_SPACES
    assert card.keys() >= {"thumbnail", "preload_from_hub", "startup_duration_timeout", "hf_oauth"}
    assert made.added == ("thumbnail", "preload_from_hub")
    assert re.fullmatch(r"\d+[smh]", card["startup_duration_timeout"])
    assert card["suggested_hardware"] in SUGGESTED
    assert {type(card[key]) for key in ("pinned", "hf_oauth", "fullWidth", "disable_embedding")} == {bool}
    for item in card["preload_from_hub"]:
        assert re.fullmatch(r"[\w-]+/[\w-]+ \S+\.zip [0-9a-f]{40}", item), item


def test_the_image_gets_what_the_page_needs() -> None:
    """The Dockerfile copies what .dockerignore lets through, and nothing else."""
    allowed = re.findall(r"^!(.+)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE)
    copied = re.findall(r"^COPY (.+) \S+$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert sorted(name for line in copied for name in line.split()) == sorted(allowed)
    assert all((ROOT / name).exists() for name in allowed)


def test_space_runs_the_gradio_that_requirements_pin() -> None:
    pinned = re.search(r"^gradio==(\S+)", (ROOT / "requirements.txt").read_text(encoding="utf-8"), re.MULTILINE)
    assert pinned is not None
    assert SpaceCard(README).data.to_dict()["sdk_version"] == pinned.group(1)


@documents
def test_linked_files_and_headings_exist(name: str) -> None:
    for target in re.findall(r"\]\((?!https?://)([^)]+)\)", DOCUMENTS[name]):
        path, _, anchor = target.partition("#")
        linked = (ROOT / name).parent / path if path else ROOT / name
        assert linked.exists(), f"{name} links {target}"
        if anchor:
            assert anchor in anchors(linked.read_text(encoding="utf-8")), f"{name} links {target}"


@documents
def test_files_named_exist(name: str) -> None:
    """Paths in backticks, from the root of the repository or from the document's own folder."""
    pattern = r"`((?:bksdm_demo|tests|training|benchmarks|docs|assets)/[\w./-]*[\w/])`"
    for path in re.findall(pattern, DOCUMENTS[name]):
        if not path.startswith("training/work") and re.search(r"[A-Z]{4}", path) is None:
            assert (ROOT / path).exists(), f"{name} names {path}"


@documents
def test_make_commands_exist(name: str) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = {match[1] for line in code_of(DOCUMENTS[name]) if (match := re.match(r"make ([a-z-]+)", line))}
    assert targets or name != "README.md"
    for target in targets:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"{name} names `make {target}`"


@documents
def test_modules_that_python_runs_exist(name: str) -> None:
    modules = {match for line in code_of(DOCUMENTS[name]) for match in re.findall(r"python[\d.]* -m ([\w.]+)", line)}
    for module in modules - {"venv", "pytest"}:
        path = ROOT.joinpath(*module.split("."))
        assert path.with_suffix(".py").is_file() or (path / "__main__.py").is_file(), f"{name} runs {module}"


@documents
def test_commands_and_their_options_exist(name: str) -> None:
    group: Any = typer.main.get_command(commands)
    for line in code_of(DOCUMENTS[name]):
        for command, rest in re.findall(r"python -m bksdm_demo ([a-z]+)(.*)", line):
            assert command in group.commands, f"{name}: {line}"
            known = {option for parameter in group.commands[command].params for option in parameter.opts}
            assert set(re.findall(r"--[a-z][a-z-]*", rest)) <= known, f"{name}: {line}"


@pytest.mark.parametrize("name", [name for name in DOCUMENTS if not name.startswith(PLACES)])
def test_flags_and_variables_exist(name: str) -> None:
    """Every flag is one of the page's or of a command's, every variable is read by the settings."""
    known = {option for action in page._parser()._actions for option in action.option_strings}
    group: Any = typer.main.get_command(commands)
    for command in group.commands.values():
        known |= {option for parameter in command.params for option in parameter.opts}
    code = [line for line in code_of(DOCUMENTS[name]) if not line.startswith(OTHER_TOOLS)]
    flags = {flag for line in code for flag in re.findall(r"(?<![\w-])--[a-z][a-z-]*", line)}
    assert flags <= known, flags - known
    settings = (ROOT / "bksdm_demo" / "settings.py").read_text(encoding="utf-8")
    limits = {limit.variable for limit in LIMITS}
    for variable in set(re.findall(r"BKSDM_\w+", DOCUMENTS[name])):
        assert f'"{variable}"' in settings or variable in limits, f"{name} names {variable}"


@documents
def test_python_examples_compile(name: str) -> None:
    for number, example in enumerate(
        re.findall(r"^ *```python\n(.*?)^ *```", DOCUMENTS[name], re.DOTALL | re.MULTILINE)
    ):
        indent = len(example) - len(example.lstrip(" "))
        text = "\n".join(line[indent:] for line in example.splitlines())
        compile(text, f"{name}, example {number}", "exec")


def test_every_document_in_docs_is_linked_from_the_readme() -> None:
    for name in DOCUMENTS:
        assert f"({name})" in README or name == "README.md", name


def test_contributing_lists_the_tests_without_a_module() -> None:
    section = DOCUMENTS["CONTRIBUTING.md"].partition("\n## Tests\n")[2].partition("\n## ")[0]
    rows = "\n".join(line for line in section.splitlines() if line.startswith("|"))
    listed = re.findall(r"`(tests/[\w/]+\.py)`", rows)
    found: set[str] = set()
    for path in (ROOT / "tests").rglob("test_*.py"):
        room = path.parent.relative_to(ROOT / "tests")
        name = path.name.removeprefix("test_")
        if room.name not in ("browser", "training", "benchmarks"):
            places = (ROOT / "bksdm_demo" / room / name, ROOT / room / name)
            found |= set() if any(place.is_file() for place in places) else {str(path.relative_to(ROOT))}
    assert found == set(listed)
