"""A fetch from the local hub: whole systems appear, a kill costs nothing, and two that ask make one download."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bksdm_demo.errors import CancelledError, ModelUnavailableError, PackageError
from bksdm_demo.library.disk import SPARE_BYTES
from bksdm_demo.library.fetch import WORK, fetch
from bksdm_demo.library.progress import Progress, Stage
from bksdm_demo.library.record import NAME
from tests.library.conftest import FILES, PROXIES, REPO, SYSTEM, WEIGHTS, ZIP, zip_bytes
from tests.library.hub_server import HubServer

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 30.0  # seconds a child process may take on a busy machine
CHILD = """
import sys
from pathlib import Path
from bksdm_demo.library.fetch import fetch
from tests.library.conftest import SYSTEM
stages = set()
def report(progress):
    if progress.stage not in stages:
        stages.add(progress.stage)
        print(progress.stage, flush=True)
print(fetch(SYSTEM, Path(sys.argv[1]), report=report), flush=True)
"""


@contextmanager
def child(hub: HubServer, models: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that fetches SYSTEM, configured through the environment as a person would."""
    ours = {name for proxy in PROXIES for name in (proxy, proxy.upper())} | {"HF_TOKEN", "HF_HUB_OFFLINE"}
    environment = {name: value for name, value in os.environ.items() if name not in ours}
    environment |= {"HF_ENDPOINT": hub.hub, "HF_HOME": str(models.parent / "hf"), "PYTHONPATH": str(ROOT)}
    environment |= {"HF_HUB_DISABLE_TELEMETRY": "1"}
    command = [sys.executable, "-c", CHILD, str(models)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def lines_until(process: subprocess.Popen[str], wanted: str) -> list[str]:
    """What a child prints up to the line that is waited for."""
    assert process.stdout is not None
    lines: list[str] = []
    for line in process.stdout:
        lines.append(line.strip())
        if lines[-1] == wanted:
            return lines
    raise AssertionError(f"{wanted} was never said; the child said {lines}")


def unfinished(models: Path) -> list[Path]:
    return list((models / WORK).glob("*/*.incomplete"))


def test_a_system_appears_whole_and_nothing_else_stays(hub: HubServer, tmp_path: Path) -> None:
    stages: list[Stage] = []
    folder = fetch(SYSTEM, tmp_path, report=lambda progress: stages.append(progress.stage))
    assert folder == tmp_path / "tiny"
    wanted = {name: data for name, data in FILES.items() if data != b"litter"} | {NAME: b"the record"}
    assert {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} == set(wanted)
    assert list(dict.fromkeys(stages)) == [Stage.DOWNLOADING, Stage.VERIFYING, Stage.UNPACKING]
    assert [path.name for path in tmp_path.iterdir() if not path.name.startswith(".")] == ["tiny"]
    assert [path.name for path in (tmp_path / WORK).iterdir()] == ["tiny.lock"]


def test_a_system_that_is_there_needs_no_hub(hub: HubServer, tmp_path: Path) -> None:
    fetch(SYSTEM, tmp_path)
    asked = len(hub.log)
    assert fetch(SYSTEM, tmp_path) == tmp_path / "tiny"
    assert len(hub.log) == asked


def test_another_attention_gets_a_folder_of_its_own(hub: HubServer, tmp_path: Path) -> None:
    assert fetch(SYSTEM, tmp_path, attention="original") == tmp_path / "tiny-original"
    with pytest.raises(ModelUnavailableError, match="choose split_einsum_v2, original"):
        fetch(SYSTEM, tmp_path, attention="einsum")


def test_a_killed_process_is_gone_on_from(hub: HubServer, tmp_path: Path) -> None:
    models = tmp_path / "models"
    hub.faults.stall_after = 200_000
    with child(hub, models) as process:
        lines_until(process, Stage.DOWNLOADING)
        assert hub.faults.stalled.wait(PATIENCE)
        kept = wait_for_bytes(models)
        process.send_signal(signal.SIGKILL)
        process.wait(PATIENCE)
    hub.faults.stall_after = None
    hub.faults.release.set()
    assert not (models / "tiny").exists()
    assert unfinished(models)[0].stat().st_size >= kept
    fetch(SYSTEM, models)
    assert (models / "tiny").is_dir()
    first, second = hub.bodies()
    assert first == 0
    assert second >= kept


def wait_for_bytes(models: Path) -> int:
    """Bytes of the unfinished archive as soon as there are any."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if sizes := [path.stat().st_size for path in unfinished(models) if path.stat().st_size]:
            return sizes[0]
        time.sleep(0.01)
    raise AssertionError("nothing was written")


def test_two_processes_make_one_download(hub: HubServer, tmp_path: Path) -> None:
    models = tmp_path / "models"
    hub.faults.stall_after = 100_000
    with child(hub, models) as first, child(hub, models) as second:
        assert hub.faults.stalled.wait(PATIENCE)
        loser = threading.Event()
        listeners = [threading.Thread(target=_listen, args=(process, loser)) for process in (first, second)]
        for listener in listeners:
            listener.start()
        assert loser.wait(PATIENCE)
        hub.faults.release.set()
        assert [first.wait(PATIENCE), second.wait(PATIENCE)] == [0, 0]
        for listener in listeners:
            listener.join(PATIENCE)
    assert (models / "tiny").is_dir()
    assert hub.bodies() == [0]


def _listen(process: subprocess.Popen[str], waiting: threading.Event) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if line.strip() == Stage.WAITING:
            waiting.set()


def test_two_threads_make_one_download(hub: HubServer, tmp_path: Path) -> None:
    folders: list[Path] = []
    threads = [threading.Thread(target=lambda: folders.append(fetch(SYSTEM, tmp_path))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert folders == [tmp_path / "tiny"] * 2
    assert hub.bodies() == [0]


def test_waiting_can_be_cancelled(hub: HubServer, tmp_path: Path) -> None:
    hub.faults.stall_after = 100_000
    holder = threading.Thread(target=fetch, args=(SYSTEM, tmp_path))
    holder.start()
    assert hub.faults.stalled.wait(PATIENCE)
    stop, reports = threading.Event(), list[Progress]()

    def report(progress: Progress) -> None:
        reports.append(progress)
        stop.set()

    with pytest.raises(CancelledError, match="stopped on request"):
        fetch(SYSTEM, tmp_path, report=report, cancelled=stop)
    assert reports == [Progress(Stage.WAITING)]
    hub.faults.release.set()
    holder.join(PATIENCE)
    assert (tmp_path / "tiny").is_dir()


def test_a_full_disk_is_noticed_before_the_download(hub: HubServer, tmp_path: Path) -> None:
    unpacked = sum(len(data) for data in FILES.values() if data != b"litter")
    needed = len(ZIP) + unpacked + SPARE_BYTES
    with pytest.raises(ModelUnavailableError, match=r"tiny.zip, packed and unpacked, needs 2\d\d MB .* 1 B more than"):
        fetch(SYSTEM, tmp_path, free=lambda folder: needed - 1)
    assert hub.bodies() == []
    assert not (tmp_path / "tiny").exists()


def test_what_has_come_already_needs_no_room_again(hub: HubServer, tmp_path: Path) -> None:
    unpacked = sum(len(data) for data in FILES.values() if data != b"litter")
    hub.faults.drops = [100_000] * 2
    with pytest.raises(ModelUnavailableError, match="broke during"):
        fetch(SYSTEM, tmp_path, pauses=(0.0,))
    kept = unfinished(tmp_path)[0].stat().st_size
    fetch(SYSTEM, tmp_path, free=lambda folder: len(ZIP) - kept + unpacked + SPARE_BYTES)
    assert (tmp_path / "tiny").is_dir()


def test_without_ranges_the_unpacked_size_is_allowed_for(hub: HubServer, tmp_path: Path) -> None:
    hub.faults.without_ranges = True
    with pytest.raises(ModelUnavailableError, match="of free disk"):
        fetch(SYSTEM, tmp_path, free=lambda folder: 2 * len(ZIP) + SPARE_BYTES)


def test_remains_of_another_content_are_removed(hub: HubServer, tmp_path: Path) -> None:
    old = tmp_path / WORK / "tiny" / f"{'0' * 64}.zip.incomplete"
    old.parent.mkdir(parents=True)
    old.write_bytes(b"of an older revision")
    hub.faults.drops = [100_000]
    with pytest.raises(ModelUnavailableError, match="broke during"):
        fetch(SYSTEM, tmp_path, pauses=())
    assert not old.exists()
    assert len(unfinished(tmp_path)) == 1


def test_an_archive_that_is_refused_leaves_no_folder(hub: HubServer, tmp_path: Path) -> None:
    hub.repos[REPO]["tiny.zip"] = zip_bytes({"../out.bin": b"x", "Unet.mlmodelc/model.mil": b"x"})
    with pytest.raises(PackageError, match="would leave the target folder"):
        fetch(SYSTEM, tmp_path)
    assert not (tmp_path / "tiny").exists()
    assert not (tmp_path / "out.bin").exists()


def test_an_archive_that_is_bad_on_the_hub_says_so_and_is_not_brought_again(hub: HubServer, tmp_path: Path) -> None:
    hub.repos[REPO]["tiny.zip"] = ZIP[:-30]
    for _ in range(2):
        with pytest.raises(PackageError, match=rf"^tiny.zip cannot be read as a zip .* {REPO} is the same"):
            fetch(SYSTEM, tmp_path)
    assert hub.bodies() == [0]


def test_an_archive_that_the_disk_spoilt_is_brought_anew(hub: HubServer, tmp_path: Path) -> None:
    torn = tmp_path / WORK / "tiny" / f"{hashlib.sha256(ZIP).hexdigest()}.zip"
    torn.parent.mkdir(parents=True)
    torn.write_bytes(ZIP[:-1000] + bytes(1000))  # as after a power cut
    with pytest.raises(ModelUnavailableError, match=r"tiny\.zip .* damaged on this disk.* Download it again"):
        fetch(SYSTEM, tmp_path)
    assert not torn.exists()
    fetch(SYSTEM, tmp_path)
    assert (tmp_path / "tiny").is_dir()
    assert hub.bodies() == [0]


def test_remains_of_a_killed_unpacking_are_replaced_and_need_no_room(
    hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unpacked = sum(len(data) for data in FILES.values() if data != b"litter")
    disk = len(ZIP) + unpacked + SPARE_BYTES + len(WEIGHTS) // 2  # bytes; not enough for the remains as well

    def free(folder: Path) -> int:
        return disk - sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file())

    def die(progress: Progress) -> None:
        if progress.stage is Stage.UNPACKING and progress.done_bytes > len(WEIGHTS):
            raise KeyboardInterrupt

    with monkeypatch.context() as killed:
        killed.setattr(shutil, "rmtree", lambda folder, ignore_errors=False: None)  # who is killed tidies nothing
        with pytest.raises(KeyboardInterrupt):
            fetch(SYSTEM, tmp_path, report=die, free=free)
    (remains,) = tmp_path.rglob("*.unpacking")
    (remains / "half.bin").write_bytes(b"half")
    folder = fetch(SYSTEM, tmp_path, free=free)
    assert not remains.exists()
    assert not (folder / "half.bin").exists()
    assert hub.bodies() == [0]


def test_an_archive_left_by_a_kill_before_unpacking_is_used(hub: HubServer, tmp_path: Path) -> None:
    stop = threading.Event()

    def report(progress: Progress) -> None:
        if progress.stage is Stage.UNPACKING:
            stop.set()

    with pytest.raises(CancelledError, match="nothing was unpacked"):
        fetch(SYSTEM, tmp_path, report=report, cancelled=stop)
    assert not (tmp_path / "tiny").exists()
    fetch(SYSTEM, tmp_path)
    assert (tmp_path / "tiny").is_dir()
    assert hub.bodies() == [0]


def test_a_models_directory_that_cannot_be_made_is_a_sentence(hub: HubServer, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ModelUnavailableError, match="cannot be written"):
        fetch(SYSTEM, tmp_path / "file" / "models")
    assert hub.log == []


@pytest.mark.skipif(os.name != "posix", reason="the system's locks are replaced")
def test_a_disk_without_locks_is_a_sentence(hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lock file that only this program honours would outlive a killed process, so none takes their place."""

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr("fcntl.flock", refuse)
    with pytest.raises(ModelUnavailableError, match=r"cannot be written to .*Function not implemented"):
        fetch(SYSTEM, tmp_path)
