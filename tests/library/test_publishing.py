"""Publishing to a hub on this machine, through the real client: what arrives is what git tracks, or one sentence."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from huggingface_hub import constants, hf_hub_download

from bksdm_demo.errors import RequestError
from bksdm_demo.library import publishing
from bksdm_demo.library.download import download, look_up
from bksdm_demo.library.published import HubFile
from bksdm_demo.library.publishing import Plan, PublishError, plan, publish
from tests.library.conftest import REPO, SYSTEM, ZIP
from tests.library.hub_server import COMMIT, HubServer
from tests.library.hub_spaces import ORGANIZATION, USER

SPACE = f"{USER}/demo"
README = """---
title: A demo
emoji: 🧩
sdk: gradio
sdk_version: "6.31.0"
python_version: "3.11"
---

# A demo
"""
FILES = {
    "README.md": README.encode(),
    "app.py": b"print()\n",
    "assets/contact-sheet.png": b"\x89PNG small",
    "assets/ö name/weight.bin": bytes(range(256)) * 40,
    "empty.txt": b"",
    ".gitignore": b"/outputs/\n.venv/\n",
}


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A repository with FILES, and beside them what must not leave this machine."""
    root = tmp_path / "clone"
    for name, data in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    git(root, "init", "-q")
    git(root, "add", ".")
    git(root, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "-m", "first")
    for name in (".venv/lib/secret.py", "outputs/picture.png", "notes.txt", ".env"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("SECRET")
    return root


def git(root: Path, *words: str) -> None:
    subprocess.run(["git", "-C", str(root), *words], check=True)


@pytest.fixture
def token(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> HubServer:
    """The hub, and a token that it knows. Large files go by LFS: the server speaks no xet."""
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setenv("HF_TOKEN", "hf_test")
    hub.faults.token = "hf_test"
    return hub


def test_the_space_gets_what_git_tracks_and_nothing_else(clone: Path, token: HubServer) -> None:
    said: list[str] = []
    address = publish(plan(clone, SPACE, variables={"BKSDM_PREWARM": "tiny"}), say=said.append)
    space = token.spaces.all[SPACE]
    assert address == f"{token.hub}/spaces/{SPACE}"
    assert space.files.keys() == FILES.keys() | {".gitattributes"}
    assert {name: space.files[name] for name in FILES if name != "README.md"} == {
        name: data for name, data in FILES.items() if name != "README.md"
    }
    assert (space.variables, space.commits) == ({"BKSDM_PREWARM": "tiny"}, 1)
    assert (space.created["sdk"], space.created.get("visibility")) == ("gradio", "public")
    assert said[0] == f"The hub knows you as {USER}."


def test_the_readme_names_its_thumbnail_and_what_the_build_downloads(clone: Path) -> None:
    made = plan(clone, SPACE, preload=[SYSTEM])
    assert made.added == ("thumbnail", "preload_from_hub")
    assert made.card["thumbnail"] == f"https://huggingface.co/spaces/{SPACE}/resolve/main/assets/contact-sheet.png"
    assert made.card["preload_from_hub"] == [f"someone/coreml-tiny tiny.zip {COMMIT}"]
    (readme,) = (file.source for file in made.files if file.name == "README.md")
    assert isinstance(readme, bytes)
    assert readme.decode().endswith("\n# A demo\n")
    assert "🧩" in readme.decode()


def test_the_plan_names_what_differs_and_what_stays_here(clone: Path) -> None:
    (clone / "app.py").write_text("changed")
    (clone / "empty.txt").unlink()
    (clone / "link").symlink_to(".env")
    git(clone, "add", "link")
    made = plan(clone, SPACE)
    assert made.changed == ("app.py", "empty.txt", "link")
    assert made.left_out == ("empty.txt", "link")
    assert made.untracked == (".env", "notes.txt")
    assert made.size_bytes == sum(file.size_bytes for file in made.files)
    assert sum(count for _, count, _ in made.folders()) == len(made.files) == len(FILES) - 1


def test_publishing_without_a_hub_sends_nothing(clone: Path, hub: HubServer) -> None:
    plan(clone, SPACE)
    assert hub.log == []


def test_an_update_replaces_the_files(clone: Path, token: HubServer) -> None:
    publish(plan(clone, SPACE))
    token.spaces.all[SPACE].files["old.py"] = b"old"
    (clone / "app.py").write_text("new\n")
    with pytest.raises(PublishError, match="exists already: choose another name, or replace its files with --update"):
        publish(plan(clone, SPACE))
    publish(plan(clone, SPACE, variables={"BKSDM_GALLERY": "own"}, hardware="cpu-upgrade"), update=True)
    space = token.spaces.all[SPACE]
    assert space.files.keys() == FILES.keys() | {".gitattributes"}
    assert space.files["app.py"] == b"new\n"
    assert (space.variables, space.hardware, space.commits) == ({"BKSDM_GALLERY": "own"}, "cpu-upgrade", 2)


def test_hardware_sleep_and_visibility_reach_the_hub(clone: Path, token: HubServer) -> None:
    name = f"{ORGANIZATION}/demo"
    publish(plan(clone, name, hardware="cpu-upgrade", sleep_seconds=900, private=True))
    created = token.spaces.all[name].created
    assert (created["hardware"], created["sleepTimeSeconds"]) == ("cpu-upgrade", 900)
    assert created["visibility"] == "private"


@pytest.mark.parametrize(
    ("place", "status", "sentence"),
    [
        ("who", 401, "does not know the token .401."),
        ("create", 402, "paid plan for a gradio Space.*docs/hosting.md. The hub says: subscribe"),
        ("create", 403, "may not do that for someone .403."),
        ("create", 409, "someone/demo is taken"),
        ("create", 429, "too many requests"),
        ("commit", 413, "size .413.*exists now, without its files; publish again with --update"),
        ("commit", 418, "refused with status 418. The hub says: subscribe"),
        ("preupload", 400, "refused with status 400.*exists now"),
        ("put", 403, "could not be sent: Error while uploading .*exists now"),
    ],
)
def test_every_refusal_is_a_sentence(clone: Path, token: HubServer, place: str, status: int, sentence: str) -> None:
    token.spaces.refusals[place] = (status, "subscribe")
    with pytest.raises(PublishError, match=sentence):
        publish(plan(clone, SPACE))


def test_a_broken_hub_is_a_sentence(clone: Path, token: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:1")
    with pytest.raises(PublishError, match=r"127\.0\.0\.1:1 cannot be reached"):
        publish(plan(clone, SPACE))


def test_no_token(clone: Path, hub: HubServer) -> None:
    with pytest.raises(PublishError, match="no token for the hub: log in with `hf auth login`"):
        publish(plan(clone, SPACE))
    assert hub.log == []


@pytest.mark.parametrize(("role", "name", "sentence"), [
    ("read", SPACE, "The token of someone may only read"),
    ("write", "other/demo", "You are someone, and cannot publish as other; possible owners: someone, a-lab."),
])  # fmt: skip
def test_no_rights(clone: Path, token: HubServer, role: str, name: str, sentence: str) -> None:
    token.spaces.role = role
    with pytest.raises(PublishError, match=sentence):
        publish(plan(clone, name))
    assert token.spaces.all == {}


@pytest.mark.parametrize(("choose", "error", "sentence"), [
    (lambda root: plan(root, "demo"), RequestError, "'demo' names no Space; write USER/NAME"),
    (lambda root: plan(root, "a b/c"), RequestError, "cannot be the name of a Space"),
    (lambda root: plan(root, SPACE, hardware="zero-a10g"), RequestError, "choose one of cpu-basic, cpu-upgrade"),
    (lambda root: plan(root, SPACE, sleep_seconds=900), RequestError, "needs paid hardware"),
    (lambda root: plan(root.parent, SPACE), PublishError, "publish from a clone"),
    (lambda root: plan(root / "assets", SPACE), PublishError, "has no README.md under git"),
])  # fmt: skip
def test_what_cannot_be_planned(
    clone: Path, choose: Callable[[Path], Plan], error: type[Exception], sentence: str
) -> None:
    with pytest.raises(error, match=sentence):
        choose(clone)


def test_a_large_file_is_named(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publishing, "LARGEST_FILE", 10_000)
    with pytest.raises(PublishError, match=r"weight\.bin has 10\.2 kB, and at most 10\.0 kB are sent in one file"):
        plan(clone, SPACE)


def test_what_the_build_preloaded_is_not_downloaded(
    hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The build fills the client's cache, as the client itself does here."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    cached = Path(hf_hub_download(REPO, "tiny.zip", revision=COMMIT, cache_dir=tmp_path / "cache"))
    remote = look_up(HubFile(REPO, COMMIT, "tiny.zip"))
    hub.log.clear()
    download(remote, tmp_path / "first.zip")
    assert (tmp_path / "first.zip").read_bytes() == cached.read_bytes() == ZIP
    assert hub.log == []

    cached.write_bytes(bytes(len(ZIP)))  # damaged, so it is downloaded after all
    download(remote, tmp_path / "second.zip")
    assert (tmp_path / "second.zip").read_bytes() == ZIP
    assert hub.bodies() == [0]
