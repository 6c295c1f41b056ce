"""The connection to a server: who is refused, with TLS and nkeys as docs/pool.md sets them up, and what may be done."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from bksdm_demo.errors import DemoError
from bksdm_demo.pool import nats_library, subjects
from bksdm_demo.pool.address import Address
from bksdm_demo.pool.broker import Broker, PoolError
from tests.pool.rigs import until
from tests.pool.server import Server, free_port, skip_without_a_server

WORKER_MAY = """
  {{ nkey: {worker}, permissions: {{
    publish: [ "bksdm.workers.>", "bksdm.out.>", "$JS.API.CONSUMER.INFO.bksdm-orders.>",
               "$JS.API.CONSUMER.MSG.NEXT.bksdm-orders.>", "$JS.ACK.bksdm-orders.>" ]
    subscribe: [ "_INBOX_{name}.>", "bksdm.bell.>", "bksdm.cancel.>", "bksdm.hello", "bksdm.control.{name}" ] }} }}
"""  # the lines of docs/pool.md


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Path]]:
    """A server with TLS that knows a page and a worker by their nkeys; their seeds are in the folder."""
    skip_without_a_server()
    nkeys = pytest.importorskip("nkeys")
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    folder = tmp_path_factory.mktemp("guarded")
    public = {}
    for number, name in enumerate(("page", "studio", "stranger")):
        seed = nkeys.encode_seed(bytes([number]) * 32, nkeys.PREFIX_BYTE_USER)
        (folder / f"{name}.nk").write_bytes(seed)
        public[name] = nkeys.from_seed(bytearray(seed)).public_key.decode()
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
         "-keyout", "key.pem", "-out", "cert.pem", "-days", "2", "-subj", "/CN=pool",
         "-addext", "subjectAltName=IP:127.0.0.1"],
        cwd=folder, check=True, capture_output=True,
    )  # fmt: skip
    worker = WORKER_MAY.format(worker=public["studio"], name="studio")
    server = Server(
        folder / "js",
        f'tls {{ cert_file: "{folder}/cert.pem", key_file: "{folder}/key.pem" }}\n'
        f"authorization {{ users: [ {{ nkey: {public['page']} }}, {worker} ] }}\n",
    )
    yield server, folder
    server.stop()


def address(guarded: tuple[Server, Path], name: str, authority: str = "cert.pem") -> Address:
    server, folder = guarded
    return Address(server.url.replace("nats:", "tls:"), folder / f"{name}.nk", folder / authority)


def test_page_and_worker_come_in_and_a_stranger_is_refused(guarded: tuple[Server, Path]) -> None:
    page = Broker(address(guarded, "page"), "page")
    page.open_streams()
    page.open_queue("alike", "c0ffee")
    assert page.keep(subjects.order_subject("alike", "c0ffee", "job.0.nonce"), b"{}", "job.0.nonce") == 1
    worker = Broker(address(guarded, "studio"), "studio")
    assert worker.has_queue("alike", "c0ffee")
    delivery = worker.take("alike", "c0ffee")
    assert delivery is not None
    assert (delivery.payload, delivery.attempt) == (b"{}", 1)
    assert worker.keep(subjects.end_subject("job.0.nonce"), b"end", "job.0.nonce") == 1
    delivery.done()
    assert page.newest(subjects.ENDS, subjects.end_subject("job.0.nonce")) == b"end"
    with pytest.raises(PoolError, match="refuses these credentials"):
        Broker(address(guarded, "stranger"), "stranger")
    heard: list[bytes] = []
    worker.hear("bksdm.out.>", lambda subject, payload: heard.append(payload))  # the server says no
    worker.hear(">", lambda subject, payload: heard.append(payload))
    page.tell(subjects.event_subject("job.1.nonce"), b"pixels of another one's picture")
    page.tell(subjects.cancel_subject("job.1.nonce"))
    ask = json.dumps({"last_by_subj": subjects.end_subject("job.0.nonce")}).encode()
    with pytest.raises(PoolError):
        worker.call(worker._client.request(f"$JS.API.STREAM.MSG.GET.{subjects.ENDS}", ask, timeout=0.3))
    assert heard == []
    worker.close()
    page.close()


def test_a_server_that_nobody_vouches_for_is_refused(guarded: tuple[Server, Path]) -> None:
    server, folder = guarded
    with pytest.raises(PoolError, match="cannot prove who it is"):
        Broker(Address(server.url.replace("nats:", "tls:"), folder / "page.nk"), "page")


def test_a_wrong_password_is_refused_and_not_repeated(tmp_path: Path) -> None:
    server = Server(tmp_path, "authorization { user: page, password: right }\n")
    with pytest.raises(PoolError, match="refuses these credentials") as caught:
        Broker(Address(server.url.replace("//", "//page:wrong@")), "page")
    assert "wrong" not in str(caught.value)
    with pytest.raises(PoolError, match="refuses these credentials"):
        Broker(Address(server.url), "page")
    Broker(Address(server.url.replace("//", "//page:right@")), "page").close()
    server.stop()


def test_without_a_server_there_is_a_sentence() -> None:
    skip_without_a_server()
    with pytest.raises(
        PoolError, match=r"No server of a pool answers at 127\.0\.0\.1:\d+\. Start one: nats-server -js"
    ):
        Broker(Address(f"nats://127.0.0.1:{free_port()}"), "page")


def test_credentials_that_cannot_be_read_get_a_sentence(server: Server, tmp_path: Path) -> None:
    seed = tmp_path / "page.nk"
    seed.write_bytes(base64.b32encode(b"no seed at all"))
    with pytest.raises(PoolError):
        Broker(Address(server.url, seed), "page")


def test_without_the_library_there_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(nats_library, "import_module", missing)
    with pytest.raises(DemoError, match=r"pip install -r requirements-cluster\.txt"):
        Broker(Address("nats://127.0.0.1:4222"), "page")


def test_a_message_with_the_same_id_is_kept_once(server: Server) -> None:
    broker = Broker(Address(server.url), "page")
    broker.open_streams()
    subject = subjects.end_subject("job.0.once")
    assert broker.keep(subject, b"first", "job.0.once") == broker.keep(subject, b"second", "job.0.once")
    assert broker.newest(subjects.ENDS, subject) == b"first"
    broker.forget(subjects.ENDS, subject)
    until(lambda: broker.newest(subjects.ENDS, subject) is None)
    broker.close()
    broker.close()  # twice is fine
    with pytest.raises(PoolError, match="is closed"):
        broker.newest(subjects.ENDS, subject)
    broker.tell(subject)  # nobody is left to hear it
