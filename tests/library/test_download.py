"""Downloading with the real huggingface_hub client from a local hub: how it goes well, and every way it does not."""

from __future__ import annotations

import errno
import hashlib
import os
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from huggingface_hub import HfApi, close_session, constants, hf_hub_download

from bksdm_demo.errors import CancelledError, ModelUnavailableError
from bksdm_demo.library import download as download_module
from bksdm_demo.library.download import MOST_QUESTIONS, RemoteFile, discard_damaged, download, look_up
from bksdm_demo.library.progress import Progress, Stage
from bksdm_demo.library.published import HubFile
from tests.library.conftest import FILES, REPO, ZIP
from tests.library.hub_server import COMMIT, HANG_UP, HubServer

FILE = HubFile(REPO, COMMIT, "tiny.zip")
AT_ONCE = (0.0, 0.0)  # two more tries, no pauses
MOST_REQUESTS = 20  # for one file, whatever goes wrong


def bring(folder: Path, **options: object) -> Path:
    path = folder / "tiny.zip"
    download(look_up(FILE, pauses=AT_ONCE), path, pauses=AT_ONCE, **options)  # type: ignore[arg-type]
    return path


def complaint(folder: Path, hub: HubServer) -> str:
    with pytest.raises(ModelUnavailableError) as caught:
        bring(folder)
    assert len(hub.log) < MOST_REQUESTS
    assert not (folder / "tiny.zip").exists()
    return str(caught.value)


# --- The way it goes well --------------------------------------------------------------------------------------------


def test_the_local_hub_is_good_enough_for_the_clients_own_download(hub: HubServer, tmp_path: Path) -> None:
    path = hf_hub_download(REPO, "tiny.zip", revision=COMMIT, cache_dir=tmp_path)
    assert Path(path).read_bytes() == ZIP
    info = HfApi().model_info(REPO, files_metadata=True)
    assert info.sha == COMMIT
    assert {file.rfilename: file.size for file in info.siblings or []}["tiny.zip"] == len(ZIP)


def test_size_hash_and_commit_are_known_beforehand(hub: HubServer) -> None:
    remote = look_up(FILE)
    unpacked = sum(len(data) for data in FILES.values() if data != b"litter")
    assert remote == RemoteFile(FILE, len(ZIP), hashlib.sha256(ZIP).hexdigest(), unpacked)
    assert hub.bodies() == []


def test_a_branch_is_pinned_to_the_commit_it_stands_for(hub: HubServer) -> None:
    assert look_up(replace(FILE, revision="main")).file == FILE


def test_a_server_without_ranges_tells_no_unpacked_size(hub: HubServer) -> None:
    hub.faults.without_ranges = True
    assert look_up(FILE).unpacked_bytes is None


def test_a_file_arrives_and_is_reported(hub: HubServer, tmp_path: Path) -> None:
    reports: list[Progress] = []
    path = bring(tmp_path, report=reports.append)
    assert path.read_bytes() == ZIP
    assert [place.name for place in tmp_path.iterdir()] == ["tiny.zip"]
    assert [report.stage for report in reports if report.done_bytes == len(ZIP)] == [
        Stage.DOWNLOADING,
        Stage.VERIFYING,
    ]
    assert reports[0] == Progress(Stage.DOWNLOADING, 0, len(ZIP))
    assert hub.bodies() == [0]


def test_a_file_is_on_the_disk_before_it_gets_its_name_and_the_name_thereafter(
    hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, flushed = tmp_path / "tiny.zip", list[tuple[int, int, bool]]()

    def note(descriptor: int) -> None:
        status = os.fstat(descriptor)
        flushed.append((status.st_ino, status.st_size, path.exists()))

    monkeypatch.setattr(os, "fsync", note)
    bring(tmp_path)
    monkeypatch.undo()
    first, last = flushed
    assert first == (path.stat().st_ino, len(ZIP), False)
    assert (last[0], last[2]) == (tmp_path.stat().st_ino, True)


def test_a_file_that_the_disk_spoilt_is_discarded_and_a_sound_one_is_not(hub: HubServer, tmp_path: Path) -> None:
    path, remote = bring(tmp_path), look_up(FILE)
    assert not discard_damaged(path, remote)
    assert path.read_bytes() == ZIP
    path.write_bytes(bytes(len(ZIP)))
    assert discard_damaged(path, remote)
    assert not path.exists()


def test_a_small_file_is_checked_against_gits_hash(hub: HubServer, tmp_path: Path) -> None:
    remote = look_up(HubFile(REPO, "main", "vocab.json"))
    assert len(remote.digest) == 40
    download(remote, tmp_path / "vocab.json")
    assert (tmp_path / "vocab.json").read_bytes() == b"{}"


def test_a_file_that_is_there_is_not_asked_for_again(hub: HubServer, tmp_path: Path) -> None:
    bring(tmp_path)
    bring(tmp_path)
    assert hub.bodies() == [0]


def test_the_token_goes_to_the_hub_and_never_to_the_store(
    hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_of_the_test")
    hub.faults.token = "hf_of_the_test"
    bring(tmp_path)
    assert {asked.path.startswith("/store/") for asked in hub.log} == {True, False}
    for asked in hub.log:
        of_the_store = asked.path.startswith("/store/")
        assert asked.headers.get("authorization") == (None if of_the_store else "Bearer hf_of_the_test")


def test_a_proxy_is_used(hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    template = "http://hub.invalid/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setenv("HTTP_PROXY", hub.hub)
    close_session()  # a client reads the environment when it is made
    try:
        assert bring(tmp_path).read_bytes() == ZIP
    finally:
        close_session()


@pytest.mark.parametrize(("proxy", "words"), [("socks5://127.0.0.1:9", "socksio"), ("ftp://127.0.0.1:9", "scheme")])
def test_a_proxy_that_cannot_be_used_is_a_sentence(
    hub: HubServer, monkeypatch: pytest.MonkeyPatch, proxy: str, words: str
) -> None:
    monkeypatch.setenv("HTTP_PROXY", proxy)
    close_session()
    try:
        with pytest.raises(ModelUnavailableError, match=f"through this proxy .*{words}.* unset ALL_PROXY"):
            look_up(FILE, pauses=AT_ONCE)
    finally:
        monkeypatch.undo()
        close_session()
    assert hub.log == []


@pytest.mark.parametrize("token", ["“hf_abc”", "hf_a\fb", "hf_a\nb “"])
def test_a_token_that_cannot_be_sent_is_named_but_not_quoted(
    hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    monkeypatch.setenv("HF_TOKEN", token)
    said = complaint(tmp_path, hub)
    assert "set HF_TOKEN to the token alone" in said
    assert "hf_a" not in said
    assert hub.log == []


# --- Going on after an interruption ----------------------------------------------------------------------------------


def test_a_dropped_connection_is_taken_up_where_it_broke(hub: HubServer, tmp_path: Path) -> None:
    hub.faults.drops = [100_000, 50_000]
    assert bring(tmp_path).read_bytes() == ZIP
    first, second, third = hub.bodies()
    assert first == 0
    assert 0 < second <= 105_000
    assert second < third <= second + 55_000


def test_a_connection_that_keeps_breaking_is_given_up_and_what_came_is_kept(hub: HubServer, tmp_path: Path) -> None:
    hub.faults.drops = [10_000] * 10
    assert "broke during the download of tiny.zip" in complaint(tmp_path, hub)
    assert len(hub.bodies()) == 1 + len(AT_ONCE)
    kept = (tmp_path / "tiny.zip.incomplete").stat().st_size
    assert kept > 10_000
    hub.faults.drops = []
    assert bring(tmp_path).read_bytes() == ZIP
    assert hub.bodies()[-1] == kept


def test_a_server_that_falls_silent_is_a_broken_connection(
    hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", 0.3)
    hub.faults.stall_after = 100_000
    remote = look_up(FILE)
    with pytest.raises(ModelUnavailableError, match="broke during"):
        download(remote, tmp_path / "tiny.zip", pauses=())
    assert (tmp_path / "tiny.zip.incomplete").stat().st_size > 0


def test_tries_are_counted_anew_while_there_is_ground_gained(
    hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download_module, "GAIN", 10_000)
    hub.faults.drops = [40_000] * 6
    assert bring(tmp_path).read_bytes() == ZIP
    assert len(hub.bodies()) == 7


def test_a_server_without_ranges_starts_again(hub: HubServer, tmp_path: Path) -> None:
    hub.faults.without_ranges = True
    hub.faults.drops = [100_000]
    assert bring(tmp_path).read_bytes() == ZIP


def test_remains_longer_than_the_file_are_dropped(hub: HubServer, tmp_path: Path) -> None:
    (tmp_path / "tiny.zip.incomplete").write_bytes(ZIP + b"more")
    assert bring(tmp_path).read_bytes() == ZIP


def test_spoilt_remains_are_thrown_away_and_the_next_download_is_whole(hub: HubServer, tmp_path: Path) -> None:
    (tmp_path / "tiny.zip.incomplete").write_bytes(b"not what was there" * 100)
    assert "arrived damaged" in complaint(tmp_path, hub)
    assert bring(tmp_path).read_bytes() == ZIP
    assert hub.bodies()[-1] == 0


def test_cancelling_keeps_what_came(hub: HubServer, tmp_path: Path) -> None:
    hub.faults.stall_after = 100_000
    stop = threading.Event()

    def press_cancel() -> None:
        assert hub.faults.stalled.wait(10)
        stop.set()
        hub.faults.release.set()

    presser = threading.Thread(target=press_cancel)
    presser.start()
    with pytest.raises(CancelledError, match="bytes are kept"):
        bring(tmp_path, cancelled=stop)
    presser.join()
    assert 0 < (tmp_path / "tiny.zip.incomplete").stat().st_size < len(ZIP)
    assert bring(tmp_path).read_bytes() == ZIP
    assert hub.bodies()[-1] > 0


def test_cancelling_during_a_pause_does_not_wait_for_its_end(hub: HubServer, tmp_path: Path) -> None:
    hub.faults.drops = [10_000]
    stop = threading.Event()
    reports: list[Progress] = []

    def report(progress: Progress) -> None:
        reports.append(progress)
        if len(reports) > 1:
            stop.set()

    remote = look_up(FILE)
    with pytest.raises(CancelledError):
        download(remote, tmp_path / "tiny.zip", report=report, cancelled=stop, pauses=(0.0, 3600.0))


# --- Every way it goes wrong -----------------------------------------------------------------------------------------


def test_a_wrong_hash_throws_the_file_away(hub: HubServer, tmp_path: Path) -> None:
    hub.faults.spoilt = True
    assert "arrived damaged: its hash differs from the hub's" in complaint(tmp_path, hub)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("status", "headers", "sentence"),
    [
        (401, {}, "log in with `hf auth login` or set HF_TOKEN"),
        (403, {}, "accept its conditions"),
        (403, {"X-Error-Code": "GatedRepo"}, "accept its conditions"),
        (401, {"X-Error-Code": "GatedRepo"}, "accept its conditions"),
        (404, {}, "was moved or removed"),
        (404, {"X-Error-Code": "EntryNotFound"}, "The hub has no tiny.zip in someone/coreml-tiny at 0123456789abcdef"),
        (429, {}, "fetch again in a few minutes"),
        (429, {"Retry-After": "17"}, "fetch again in 17 seconds"),
        (429, {"RateLimit": '"resolvers";r=0;t=55'}, "fetch again in 55 seconds"),
        (500, {}, "The hub failed with status 500"),
        (503, {}, "The hub failed with status 503"),
        (418, {}, "refused tiny.zip of someone/coreml-tiny with status 418"),
    ],
)
@pytest.mark.parametrize("good_answers", [0, 2], ids=["when asked about", "when asked for"])
def test_an_answer_that_refuses_is_a_sentence(
    hub: HubServer, tmp_path: Path, status: int, headers: dict[str, str], sentence: str, good_answers: int
) -> None:
    hub.faults.statuses = [0] * good_answers + [status] * 100
    hub.faults.headers = headers
    assert sentence in complaint(tmp_path, hub)


@pytest.mark.parametrize("trouble", [503, 502, HANG_UP])
@pytest.mark.parametrize("good_answers", [0, 2], ids=["when asked about", "when asked for"])
def test_a_hub_that_is_ill_for_a_moment_is_tried_again(
    hub: HubServer, tmp_path: Path, trouble: int, good_answers: int
) -> None:
    hub.faults.statuses = [0] * good_answers + [trouble] * len(AT_ONCE)
    assert bring(tmp_path).read_bytes() == ZIP


@pytest.mark.parametrize("trouble", [503, 404, HANG_UP])
def test_a_hub_that_does_not_show_the_end_of_a_zip_tells_no_unpacked_size(hub: HubServer, trouble: int) -> None:
    hub.faults.statuses = [0, trouble]
    remote = look_up(FILE, pauses=())
    assert (remote.size_bytes, remote.unpacked_bytes) == (len(ZIP), None)


def test_looking_up_gives_up_soon_and_at_once_when_cancelled(hub: HubServer) -> None:
    hub.faults.statuses = [503] * 100
    with pytest.raises(ModelUnavailableError, match="failed with status 503"):
        look_up(FILE, pauses=(0.0,) * 10)
    assert len(hub.log) == MOST_QUESTIONS
    stop = threading.Event()
    stop.set()
    with pytest.raises(CancelledError):
        look_up(FILE, cancelled=stop, pauses=(3600.0,))


def test_a_missing_file_and_a_missing_repository_are_named(hub: HubServer) -> None:
    for file in (replace(FILE, name="other.zip"), replace(FILE, repo="some/other"), replace(FILE, revision="old")):
        with pytest.raises(ModelUnavailableError, match=f"no {file.name} in {file.repo} at {file.revision}"):
            look_up(file)


def test_offline_mode_is_respected(hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE turns the hub off" in complaint(tmp_path, hub)
    assert hub.log == []


def test_a_hub_out_of_reach_is_a_sentence(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    template = "http://127.0.0.1:9/{repo_id}/resolve/{revision}/{filename}"  # the discard port: nobody listens
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    with pytest.raises(ModelUnavailableError, match=r"cannot be reached .* The models on this machine work"):
        look_up(FILE, pauses=AT_ONCE)


@pytest.mark.parametrize("endpoint", ["somewhere", "http://[", "gopher://hub"])
def test_a_bad_endpoint_is_a_sentence(hub: HubServer, monkeypatch: pytest.MonkeyPatch, endpoint: str) -> None:
    template = endpoint + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    with pytest.raises(ModelUnavailableError, match="check the network, HTTPS_PROXY and HF_ENDPOINT"):
        look_up(FILE, pauses=AT_ONCE)


def test_some_other_web_server_is_no_hub(hub: HubServer, tmp_path: Path) -> None:
    hub.faults.plain = True
    assert "does not answer like the hub" in complaint(tmp_path, hub)


def test_a_hash_of_no_known_kind_is_refused(hub: HubServer, tmp_path: Path) -> None:
    hub.faults.announced = "W/1234"
    assert "does not answer like the hub" in complaint(tmp_path, hub)


def test_more_bytes_than_announced_are_not_written(hub: HubServer, tmp_path: Path) -> None:
    remote = replace(look_up(FILE), size_bytes=len(ZIP) - 10)
    with pytest.raises(ModelUnavailableError, match="more bytes than announced"):
        download(remote, tmp_path / "tiny.zip", pauses=AT_ONCE)


def test_a_disk_that_fills_up_is_a_sentence(hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: object, count: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(download_module.Meter, "add", full)
    assert "Files cannot be written" in (text := complaint(tmp_path, hub))
    assert "No space left on device. Free some space" in text


def test_a_folder_that_is_missing_is_a_sentence(hub: HubServer, tmp_path: Path) -> None:
    assert "No such file or directory" in complaint(tmp_path / "nowhere", hub)


def test_sentences_stand_alone(hub: HubServer, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What a person reads ends with a full stop and holds no line break, and the client's own log adds nothing."""
    for status in (401, 403, 404, 429, 503, 418):
        hub.faults.statuses = [status] * (1 + len(AT_ONCE) if status == 503 else 1)
        text = complaint(tmp_path, hub)
        assert text.endswith(".")
        assert "\n" not in text
    assert caplog.records == []
