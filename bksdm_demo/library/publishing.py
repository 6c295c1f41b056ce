"""Publishes this repository as a Space on the Hugging Face hub: what is sent, and sending it, in one commit.

`plan` looks only at this machine: the files that git tracks, as they are in the working tree, and README.md with the
front matter that needs the Space's name. `publish` creates the Space and sends the plan through huggingface_hub, which
brings the token, proxies, HF_ENDPOINT and the transfer of large files. Leaves out secrets, disks and deleting a Space.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import httpx2
from huggingface_hub import (
    CommitOperationAdd,
    CommitOperationDelete,
    HfApi,
    SpaceCard,
    SpaceHardware,
    constants,
    get_token,
)
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, OfflineModeIsEnabled
from huggingface_hub.utils import validate_repo_id

from bksdm_demo.errors import DemoError, RequestError
from bksdm_demo.library.published import PublishedSystem
from bksdm_demo.units import format_bytes

README = "README.md"
THUMBNAIL = "assets/contact-sheet.png"
LARGEST_FILE = 1_000_000_000  # bytes; a larger one is a model, and a Space downloads models itself
KEPT = (".gitattributes",)  # the hub's own file in the Space
LINK, SUBMODULE = "120000", "160000"  # git's modes
HARDWARE = tuple(kind.value for kind in SpaceHardware if kind is not SpaceHardware.ZERO_A10G)
MESSAGE = "Publish the demo"
LOG_IN = "log in with `hf auth login`, or set HF_TOKEN to a token with write access"

Say = Callable[[str], None]


class PublishError(DemoError):
    """The Space cannot be published, for the reason in the message."""


@dataclass(frozen=True)
class SpaceFile:
    """One file to send: its path in the Space, its size, and its place here or its contents."""

    name: str
    size_bytes: int
    source: Path | bytes


@dataclass(frozen=True)
class Plan:
    """Everything that `publish` does.

    `card` is the front matter of README.md as sent, `added` the keys that it has only there. `changed` names the files
    that differ from the last commit, `left_out` those that git tracks and `untracked` those that it does not; neither
    is sent. `hardware`: None leaves the choice to the hub. `sleep_seconds` is the idle time after which paid hardware
    sleeps, None for never.
    """

    space: str
    files: tuple[SpaceFile, ...]
    card: Mapping[str, Any]
    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    untracked: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    hardware: str | None = None
    sleep_seconds: int | None = None
    private: bool = False

    @property
    def size_bytes(self) -> int:
        return sum(file.size_bytes for file in self.files)

    @property
    def address(self) -> str:
        return f"{constants.ENDPOINT}/spaces/{self.space}"

    def folders(self) -> list[tuple[str, int, int]]:
        """Each top folder ("" for the root) with its number of files and their bytes."""
        sums: dict[str, tuple[int, int]] = {}
        for file in self.files:
            top = PurePosixPath(file.name).parts[0] + "/" if "/" in file.name else ""
            count, size = sums.get(top, (0, 0))
            sums[top] = (count + 1, size + file.size_bytes)
        return [(top, *sums[top]) for top in sorted(sums)]


def plan(
    root: Path,
    space: str,
    *,
    variables: Mapping[str, str] | None = None,
    preload: Sequence[PublishedSystem] = (),
    hardware: str | None = None,
    sleep_seconds: int | None = None,
    private: bool = False,
) -> Plan:
    """Plan the Space `space`, "USER/NAME", from the repository at `root`. Its build downloads `preload`'s archives.

    Raises RequestError for a name or hardware that the hub does not have, PublishError for a folder that is no
    repository of this demo and for a file above LARGEST_FILE.
    """
    _check_name(space)
    if hardware is not None and hardware not in HARDWARE:
        raise RequestError(f"The hardware is {hardware[:40]!r}; choose one of {', '.join(HARDWARE)}.")
    if sleep_seconds is not None and hardware in (None, "cpu-basic"):
        raise RequestError("Free hardware sleeps when the hub decides; a time to sleep needs paid hardware as well.")
    names, left_out = _tracked(root)
    if README not in names:
        raise PublishError(f"{root} has no {README} under git: publish from a clone of this repository.")
    card, text, added = _readme(root / README, space, preload)
    files = [SpaceFile(name, (root / name).stat().st_size, root / name) for name in names if name != README]
    files.append(SpaceFile(README, len(text), text))
    for file in files:
        if file.size_bytes > LARGEST_FILE:
            raise PublishError(
                f"{file.name} has {format_bytes(file.size_bytes)}, and at most {format_bytes(LARGEST_FILE)} are sent "
                "in one file: take it out of git. A Space downloads models itself (BKSDM_PREWARM)."
            )
    return Plan(
        space,
        tuple(sorted(files, key=lambda file: file.name)),
        card,
        added,
        tuple(_git(root, "diff", "--name-only", "-z", "HEAD")),
        left_out,
        tuple(_git(root, "ls-files", "-z", "--others", "--exclude-standard")),
        dict(variables or {}),
        hardware,
        sleep_seconds,
        private,
    )


def token_found() -> bool:
    """Whether this machine has a token for the hub. It may still be wrong."""
    return get_token() is not None


def publish(plan: Plan, *, update: bool = False, say: Say = lambda line: None) -> str:
    """Create the Space and send its files in one commit; return its address. `say` gets a line per step.

    `update` replaces the files of a Space that exists: those that are not in the plan are deleted. Raises PublishError.
    """
    if not token_found():
        raise PublishError(f"There is no token for the hub: {LOG_IN}.")
    api = HfApi(library_name="bksdm-demo")
    with _sentences(plan):
        say(f"The hub knows you as {_who(api, plan)}.")
        exists = api.repo_exists(plan.space, repo_type="space")
        if exists and not update:
            raise PublishError(f"{plan.space} exists already: choose another name, or replace its files with --update.")
        if exists:
            _adjust(api, plan)
        else:
            _create(api, plan)
        say(f"{plan.space} {'is there' if exists else 'was created'}. Sending {format_bytes(plan.size_bytes)} ...")
    with _sentences(plan, created=not exists):
        api.create_commit(
            plan.space, [*_deletions(api, plan, exists), *_additions(plan)], commit_message=MESSAGE, repo_type="space"
        )
    return plan.address


def _check_name(space: str) -> None:
    try:
        validate_repo_id(space)
    except HFValidationError as error:
        raise RequestError(f"{space[:120]!r} cannot be the name of a Space: {error}") from error
    if space.count("/") != 1:
        raise RequestError(
            f"{space[:120]!r} names no Space; write USER/NAME, with your own or your organization's name."
        )


def _tracked(root: Path) -> tuple[list[str], tuple[str, ...]]:
    """The files that git tracks and that are here, and those left out: links, submodules and deleted files."""
    names: list[str] = []
    left_out: list[str] = []
    for line in _git(root, "ls-files", "-z", "--stage"):
        facts, _, name = line.partition("\t")
        usual = facts.partition(" ")[0] not in (LINK, SUBMODULE)
        (names if usual and (root / name).is_file() else left_out).append(name)
    return names, tuple(left_out)


def _git(root: Path, *words: str) -> list[str]:
    """The names that a git command prints, separated by NUL. Raises PublishError."""
    try:
        done = subprocess.run(["git", "-C", str(root), *words], capture_output=True, check=False)
    except OSError as error:
        raise PublishError(
            f"git cannot be run ({error.strerror}): install it; it knows which files to send."
        ) from error
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise PublishError(f"git does not list the files of {root} ({said}): publish from a clone of this repository.")
    return [name for name in done.stdout.decode(errors="surrogateescape").split("\0") if name]


def _readme(
    path: Path, space: str, preload: Sequence[PublishedSystem]
) -> tuple[Mapping[str, Any], bytes, tuple[str, ...]]:
    """The front matter and the text of the README as sent, and the keys that were added."""
    try:
        card: Any = SpaceCard(path.read_text(encoding="utf-8"), ignore_metadata_errors=False)
    except (OSError, ValueError) as error:
        raise PublishError(f"{path} has no front matter that can be read ({error}).") from error
    before = card.data.to_dict()
    if (path.parent / THUMBNAIL).is_file():
        card.data["thumbnail"] = f"https://huggingface.co/spaces/{space}/resolve/main/{THUMBNAIL}"
    if preload:
        files = [system.archive().file for system in preload]
        card.data["preload_from_hub"] = [f"{file.repo} {file.name} {file.revision}" for file in files]
    after = card.data.to_dict()
    return after, str(card).encode(), tuple(key for key in after if after[key] != before.get(key))


def _who(api: HfApi, plan: Plan) -> str:
    """The user of the token. Raises PublishError for a token that may only read, or that cannot write there."""
    user = api.whoami()
    name, role = user["name"], user.get("auth", {}).get("accessToken", {}).get("role")
    if role == "read":
        raise PublishError(f"The token of {name} may only read: make one with write access, and {LOG_IN}.")
    owner = plan.space.partition("/")[0]
    known = [name, *(one["name"] for one in user.get("orgs", []))]
    if owner.lower() not in [one.lower() for one in known]:
        raise PublishError(f"You are {name}, and cannot publish as {owner}; possible owners: {', '.join(known)}.")
    return str(name)


def _create(api: HfApi, plan: Plan) -> None:
    api.create_repo(
        plan.space,
        repo_type="space",
        private=plan.private,
        space_sdk=str(plan.card["sdk"]),
        space_hardware=None if plan.hardware is None else SpaceHardware(plan.hardware),
        space_sleep_time=plan.sleep_seconds,
        space_variables=[{"key": key, "value": value} for key, value in plan.variables.items()] or None,
    )


def _adjust(api: HfApi, plan: Plan) -> None:
    """Set the variables and the hardware of a Space that exists; its visibility stays."""
    for key, value in plan.variables.items():
        api.add_space_variable(plan.space, key, value)
    if plan.hardware is not None:
        api.request_space_hardware(plan.space, SpaceHardware(plan.hardware), sleep_time=plan.sleep_seconds)


def _additions(plan: Plan) -> list[CommitOperationAdd]:
    return [CommitOperationAdd(file.name, file.source) for file in plan.files]


def _deletions(api: HfApi, plan: Plan, exists: bool) -> list[CommitOperationDelete]:
    names = {file.name for file in plan.files} | set(KEPT)
    there = api.list_repo_files(plan.space, repo_type="space") if exists else []
    return [CommitOperationDelete(name, is_folder=False) for name in there if name not in names]


@contextmanager
def _sentences(plan: Plan, created: bool = False) -> Iterator[None]:
    """Turn errors of the hub's client and its transport into sentences. `created`: this run made the Space."""
    rest = f" {plan.space} exists now, without its files; publish again with --update." if created else ""
    try:
        yield
    except HfHubHTTPError as error:
        raise PublishError(_refusal(error, plan) + rest) from error
    except OfflineModeIsEnabled as error:
        raise PublishError("HF_HUB_OFFLINE turns the hub off: unset it and publish again.") from error
    except (UnicodeEncodeError, httpx2.LocalProtocolError) as error:  # the message would quote the token
        raise PublishError(f"The hub's token holds characters that cannot be sent: {LOG_IN}.{rest}") from error
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise PublishError(
            f"{constants.ENDPOINT} cannot be reached ({error}): check the network, HTTPS_PROXY and HF_ENDPOINT, and "
            f"publish again.{rest}"
        ) from error
    except RuntimeError as error:  # the client's threads, about a large file
        reason = " ".join(f"{error} {error.__cause__ or ''}".split())
        raise PublishError(f"A file could not be sent: {reason}{rest or ' Publish again.'}") from error
    except OSError as error:
        raise PublishError(f"{error.filename or 'A file'} cannot be read ({error.strerror}).{rest}") from error


def _refusal(error: HfHubHTTPError, plan: Plan) -> str:
    """A sentence about a status of 400 or more, and what to do."""
    status, said = error.response.status_code, " ".join((error.server_message or "").split())[:300]
    quoted = f" The hub says: {said}" if said else ""
    owner = plan.space.partition("/")[0]
    sentences = {
        401: f"The hub does not know the token (401): it is wrong or has expired; {LOG_IN}.",
        402: f"The hub wants a paid plan for a {plan.card['sdk']} Space or its hardware (402): see docs/hosting.md.",
        403: f"The token may not do that for {owner} (403): give it write access to {owner}'s repositories.",
        404: f"The hub has no {plan.space} that this token can see (404): check the name, and the token's rights.",
        409: f"{plan.space} is taken (409): choose another name, or replace its files with --update.",
        413: "The hub takes no file or commit of this size (413): take large files out of git.",
        429: "The hub got too many requests from you (429): publish again in a few minutes.",
    }
    failed = f"The hub failed with status {status}: publish again in a few minutes."
    refused = f"The hub refused with status {status}."
    return sentences.get(status, failed if status >= 500 else refused) + quoted
