"""The log: every message carries time, level, place, request and job, and what it quotes cannot pass for another."""

from __future__ import annotations

import io
import json
import logging
import threading
from collections.abc import Iterator
from contextvars import copy_context

import pytest

from bksdm_demo.logs import FORMATS, about, adopt_servers, configure, job_id, request_id

logger = logging.getLogger("bksdm_demo.somewhere")


@pytest.fixture(autouse=True)
def _own_root() -> Iterator[None]:
    """Give the loggers back as they were."""
    root, own = logging.getLogger(), logging.getLogger("bksdm_demo")
    handlers, levels = root.handlers[:], (root.level, own.level)
    root.handlers.clear()
    yield
    logging.captureWarnings(False)
    root.handlers[:] = handlers
    root.setLevel(levels[0])
    own.setLevel(levels[1])


def logged(form: str, level: str = "info") -> io.StringIO:
    stream = io.StringIO()
    configure(level, form, stream)
    return stream


def test_json_is_one_object_a_line_with_the_ids() -> None:
    stream = logged("json")
    with about(request_id, "r1"), about(job_id, "j1"):
        logger.info("A comparison of %d pictures\nwaits.", 2)
    logger.warning("no ids here")
    first, second = (json.loads(line) for line in stream.getvalue().splitlines())
    assert first.pop("time").endswith("Z")
    assert first == {
        "level": "info",
        "logger": "bksdm_demo.somewhere",
        "message": "A comparison of 2 pictures\nwaits.",
        "request": "r1",
        "job": "j1",
    }
    assert {"request", "job", "error"}.isdisjoint(second)


def test_json_keeps_a_traceback_on_the_line() -> None:
    stream = logged("json")
    try:
        raise ValueError("broken")
    except ValueError:
        logger.exception("It failed")
    (line,) = stream.getvalue().splitlines()
    assert json.loads(line)["error"].endswith("ValueError: broken")


def test_text_names_the_ids() -> None:
    stream = logged("text")
    with about(request_id, "r1"), about(job_id, "j1"):
        logger.info("Ready.")
    assert stream.getvalue().endswith(" INFO bksdm_demo.somewhere request=r1 job=j1: Ready.\n")


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("quoted", ["a\nERROR forged: all is lost", "a\r\x1b[2Jb", "a\u2028b\x00", "a\ud800b"])
def test_a_quoted_text_is_no_message_of_its_own(form: str, quoted: str) -> None:
    stream = logged(form)
    logger.warning("Refused: %s", quoted)
    first, *others = stream.getvalue().encode().decode().rstrip("\n").split("\n")
    assert "Refused: a" in first
    assert all(line.startswith("    ") for line in others)
    assert not set(stream.getvalue()) & set("\r\x1b\x00")


def test_the_level_holds_for_the_demo_and_libraries_only_warn() -> None:
    stream = logged("text", "debug")
    logger.debug("ours")
    logging.getLogger("some.library").info("theirs")
    logging.getLogger("some.library").warning("their warning")
    assert [line.rpartition(": ")[2] for line in stream.getvalue().splitlines()] == ["ours", "their warning"]
    stream = logged("text", "error")
    logger.warning("ours")
    assert stream.getvalue() == ""


def test_the_server_speaks_in_the_same_format() -> None:
    stream = logged("json")
    server = logging.getLogger("uvicorn.error")
    before, propagate = server.handlers[:], server.propagate
    server.addHandler(logging.StreamHandler(io.StringIO()))
    try:
        adopt_servers()
        server.error("refused")
    finally:
        server.handlers[:], server.propagate = before, propagate
    assert json.loads(stream.getvalue())["logger"] == "uvicorn.error"


def test_ids_end_with_their_block_and_follow_a_copied_context() -> None:
    seen: list[str] = []
    with about(job_id, "j1"):
        with about(job_id, "j2"):
            seen.append(job_id.get())
            context = copy_context()
        thread = threading.Thread(target=lambda: seen.append(context.run(job_id.get)))
        thread.start()
        thread.join()
        seen.append(job_id.get())
    assert [*seen, job_id.get()] == ["j2", "j2", "j1", ""]
