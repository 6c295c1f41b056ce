"""Damages files: bytes, numbers and words of texts, values of JSON, headers of weight files, texts inside pictures.

Everything follows from the data, the kind of file and the seed.
"""

from __future__ import annotations

import json
import re
import struct
import zlib
from collections.abc import Callable, Sequence
from functools import cache
from random import Random
from typing import Any

from benchmarks.soak.model_fields import model_field

Mutation = Callable[[bytes, Random], bytes]

MOST = 3  # mutations of one file
LONG = 300_000  # repetitions at most
PNG_START = 8  # bytes
TEXT_CHUNKS = (b"tEXt", b"zTXt", b"iTXt", b"eXIf")
BLOB_MARK = b"\xef\xbe\xad\xde"  # at the beginning of every entry of a weight file
BLOB_HEADER = 64  # bytes, also of the header of the file

NUMBERS = (b"0", b"-1", b"4294967296", b"9" * 20, b"9" * 5000, b"1e999", b"0x1p+99999", b"NaN", b"0.5", b"?")
TOKENS = (
    b'"',
    b"\\",
    b"[",
    b"]",
    b"(",
    b")",
    b"{",
    b"}",
    b"<",
    b">",
    b",",
    b";",
    b":",
    b"\xff",
    b"\0",
    b"\r",
    b"\xef\xbb\xbf",
)
RUNS = (b"[", b'{"a":', b"(", b"<", b";", b" ", b"\n", b"/", b"9", b'"', b"tensor<", b"\\ud800", b"\xff")  # repeated
VALUES: tuple[Any, ...] = (
    None, True, -1, 0, 2**31, 2**64, 10**400, 1e308, "", "\ud800", "../../etc/passwd", "/dev/zero", "a\0b", [], {},
    [[[[]]]], [0] * 5000, {"": None}, "x" * 100_000, "http://127.0.0.1:9/",
)  # fmt: skip


def mutated(data: bytes, kind: str, seed: int) -> bytes:
    """`data` after one to MOST mutations of its kind, which is a key of KINDS."""
    random = Random(f"{kind} {seed}")
    for _ in range(random.randint(1, MOST)):
        if data:
            data = random.choice(KINDS[kind])(data, random)
    return data


def _span(data: bytes, random: Random, longest: int) -> tuple[int, int]:
    start = random.randrange(len(data))
    return start, min(len(data), start + random.randint(1, longest))


def flip(data: bytes, random: Random) -> bytes:
    place = random.randrange(len(data))
    return data[:place] + bytes([data[place] ^ 1 << random.randrange(8)]) + data[place + 1 :]


def truncate(data: bytes, random: Random) -> bytes:
    return data[: random.randrange(len(data))]


def delete(data: bytes, random: Random) -> bytes:
    start, end = _span(data, random, 64)
    return data[:start] + data[end:]


def duplicate(data: bytes, random: Random) -> bytes:
    start, end = _span(data, random, 1000)
    return data[:end] + data[start:end] * random.choice((1, 1, 1, 300)) + data[end:]


def overwrite(data: bytes, random: Random) -> bytes:
    start, end = _span(data, random, 16)
    return data[:start] + random.randbytes(end - start) + data[end:]


def extreme(data: bytes, random: Random) -> bytes:
    """Eight bytes of ones or zeros at a multiple of four: huge and empty sizes and offsets."""
    start = random.randrange(len(data)) // 4 * 4
    return (data[:start] + random.choice((b"\xff", b"\0", b"\x7f")) * 8 + data[start + 8 :])[: len(data)]


def number(data: bytes, random: Random) -> bytes:
    """Another number in the place of one."""
    return _replaced(data, rb"-?\d+", lambda _: random.choice(NUMBERS), random)


def word(data: bytes, random: Random) -> bytes:
    """One word of the text in the place of another."""
    words = _found(data, rb"\w+", random)
    return _replaced(data, rb"\w+", lambda _: random.choice(words) if words else b"", random)


def token(data: bytes, random: Random) -> bytes:
    place = random.randrange(len(data) + 1)
    return data[:place] + random.choice(TOKENS) + data[place:]


def line(data: bytes, random: Random) -> bytes:
    """Take one line away, or put it in the place of another."""
    lines = data.split(b"\n")
    place = random.randrange(len(lines))
    lines[place : place + 1] = random.choice(([], [random.choice(lines)]))
    return b"\n".join(lines)


def repeat(data: bytes, random: Random) -> bytes:
    """A few bytes very often: deep nesting, long numbers, endless lines."""
    place = random.randrange(len(data) + 1)
    return data[:place] + random.choice(RUNS) * random.choice((100, 5000, LONG)) + data[place:]


def json_value(data: bytes, random: Random) -> bytes:
    """Another value, or none, in one place of a JSON text; any other text gets a token."""
    try:
        root = json.loads(data)
    except (ValueError, RecursionError):
        return token(data, random)
    places = [
        (root, key) for root in _containers(root) for key in (root if isinstance(root, dict) else range(len(root)))
    ]
    if not places:
        return json.dumps(random.choice(VALUES)).encode()
    container, key = random.choice(places)
    if random.random() < 0.2:
        del container[key]
    else:
        container[key] = random.choice(VALUES)
    return json.dumps(root).encode()


def blob_header(data: bytes, random: Random) -> bytes:
    """Damage the header of a weight file or of one of its entries."""
    places = [0, *(found.start() for found in re.finditer(re.escape(BLOB_MARK), data))]
    start = random.choice(places)
    head = random.choice((flip, overwrite, extreme))(data[start : start + BLOB_HEADER], random)
    return data[:start] + head + data[start + BLOB_HEADER :]


def png_text(data: bytes, random: Random) -> bytes:
    """Damage one text of a PNG and give its chunk the right length and checksum."""
    chunks = _chunks(data)
    texts = [index for index, (name, _) in enumerate(chunks) if name in TEXT_CHUNKS]
    if not texts:
        return flip(data, random)
    index = random.choice(texts)
    name, content = chunks[index]
    key, mark, text = content.partition(b"\0")
    if random.random() < 0.1:  # small in the file, large in memory
        chunks[index] = (b"zTXt", key + b"\0\0" + _bomb())
    elif text:
        chunks[index] = (name, key + mark + random.choice((*BYTES, *TEXT, json_value))(text, random))
    return data[:PNG_START] + b"".join(_chunk(*chunk) for chunk in chunks)


@cache
def _bomb() -> bytes:
    return zlib.compress(bytes(50_000_000))


def _chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    """The names and contents of a PNG's chunks, as far as they are whole."""
    found, place = [], PNG_START
    while place + 12 <= len(data):
        (size,) = struct.unpack_from(">I", data, place)
        found.append((data[place + 4 : place + 8], data[place + 8 : place + 8 + size]))
        place += 12 + size
    return found


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def _containers(root: object) -> list[Any]:
    """All lists and objects of a JSON value."""
    found, waiting = [], [root]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict | list):
            found.append(value)
            waiting.extend(value.values() if isinstance(value, dict) else value)
    return found


def _found(data: bytes, pattern: bytes, random: Random) -> Sequence[bytes]:
    """Some of what a text has of a pattern, from a random place on."""
    place = random.randrange(len(data))
    return re.findall(pattern, data[place : place + 10_000])


def _replaced(data: bytes, pattern: bytes, other: Callable[[re.Match[bytes]], bytes], random: Random) -> bytes:
    """`data` with the first match after a random place replaced."""
    place = random.randrange(len(data))
    return data[:place] + re.sub(pattern, other, data[place:], count=1)


BYTES: tuple[Mutation, ...] = (flip, truncate, delete, duplicate, overwrite, extreme)
TEXT: tuple[Mutation, ...] = (number, word, token, line, repeat)
KINDS: dict[str, tuple[Mutation, ...]] = {
    "bytes": BYTES,
    "text": (*BYTES, *TEXT * 4),
    "json": (*BYTES, *TEXT, *[json_value] * 8),
    "model": (*BYTES[:2], *[model_field] * 12),
    "weights": (*BYTES, *[blob_header] * 8),
    "png": (*BYTES, *[png_text] * 8),
}
