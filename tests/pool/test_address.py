"""Addresses of a pool's server: a network is used only with TLS and credentials, and passwords are not repeated."""

from __future__ import annotations

from pathlib import Path

import pytest

from bksdm_demo.errors import DemoError
from bksdm_demo.pool.address import Address

LOCAL = ("nats://127.0.0.1:4222", "nats://localhost", "nats://[::1]:4222", "tls://127.0.0.1", "nats://127.1.2.3")
FAR = ("nats://192.0.2.7:4222", "nats://studio.local", "tls://10.0.0.5", "nats://0.0.0.0", "nats://user:pw@192.0.2.7")


@pytest.fixture
def credentials(tmp_path: Path) -> Path:
    file = tmp_path / "worker.nk"
    file.write_text("SU...")
    return file


@pytest.mark.parametrize("url", LOCAL)
def test_a_server_on_this_machine_needs_nothing(url: str) -> None:
    assert Address(url).local


@pytest.mark.parametrize("url", FAR)
def test_another_machine_is_refused_without_tls_and_credentials(url: str) -> None:
    with pytest.raises(DemoError, match="is another machine, and prompts and pictures would travel there unprotected"):
        Address(url)


def test_another_machine_is_fine_with_both(credentials: Path) -> None:
    assert not Address("tls://192.0.2.7", credentials).local
    assert Address("tls://page:s%2Fcret@192.0.2.7:4333").user == ("page", "s/cret")
    with pytest.raises(DemoError, match="unprotected"):
        Address("nats://192.0.2.7", credentials)


@pytest.mark.parametrize("url", ["", "127.0.0.1:4222", "http://127.0.0.1", "nats://", "nats://h:port", "nats://h/x"])
def test_what_is_no_address_gets_an_example(url: str) -> None:
    with pytest.raises(DemoError, match=r"Give one such as nats://127\.0\.0\.1:4222"):
        Address(url)


def test_passwords_are_not_repeated() -> None:
    address = Address("nats://page:secret@127.0.0.1:4333")
    assert (address.place, address.server) == ("127.0.0.1:4333", "nats://127.0.0.1:4333")
    for bad in ("nats://page:secret@127.0.0.1:port", "nats://page:secret@192.0.2.7"):
        with pytest.raises(DemoError) as caught:
            Address(bad)
        assert "secret" not in str(caught.value)


def test_files_must_be_there_and_say_what_they_are(tmp_path: Path, credentials: Path) -> None:
    with pytest.raises(DemoError, match="is not there"):
        Address("nats://127.0.0.1", tmp_path / "missing.nk")
    with pytest.raises(DemoError, match=r"must end in \.creds or \.nk"):
        Address("nats://127.0.0.1", credentials.rename(tmp_path / "seed.txt"))
    with pytest.raises(DemoError, match="is no certificate"):
        Address("tls://127.0.0.1", None, tmp_path / "seed.txt").context()
