"""What a worker says of itself: which models it offers, by the content of their files, which are warm, and its load."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bksdm_demo.errors import DemoError
from bksdm_demo.library.system import Availability, System
from bksdm_demo.mil.identity import content_identity
from bksdm_demo.pool.envelope import Fields, MessageError, read, write
from bksdm_demo.pool.subjects import BEAT_BYTES, token

MOST_OFFERS = 200  # models of one worker
MOST_PLACES = 64
TEXTS = (  # of a System that travel
    "key", "name", "family", "summary", "weights", "attention", "licence", "licence_url", "card_url", "revision",
    "scheduler", "prediction", "note",
)  # fmt: skip
WHOLES = ("steps", "size_bytes", "shared_bytes")
COUNTS = ("parameters", "unet_parameters")  # None if unknown
LONGEST = 2000  # characters of one text


@dataclass(frozen=True)
class Offer:
    """A model that a worker can draw with. `warm`: all its parts are loaded. `seconds` is its median for a picture."""

    content: str
    system: System
    warm: bool = False
    seconds: float | None = None

    def record(self) -> dict[str, Any]:
        system = {name: getattr(self.system, name) for name in (*TEXTS, *WHOLES, *COUNTS, "gated", "guidance_scale")}
        return {"content": self.content, "warm": self.warm, "seconds": self.seconds, "system": system}


@dataclass(frozen=True)
class Beat:
    """A sign of life. `machines` is the class of the machine, `words` says it in words.

    `busy` of its `places` are taken. A `draining` worker takes no more orders.
    """

    worker: str
    machines: str
    words: str
    engine: str
    places: int = 1
    busy: int = 0
    draining: bool = False
    drawn: int = 0
    offers: tuple[Offer, ...] = ()
    memory: tuple[int, int] = (0, 0)  # bytes of loaded parts, and the budget
    contents: Mapping[str, Offer] = field(init=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "contents", {offer.content: offer for offer in self.offers})

    def write(self) -> bytes:
        return write(
            {
                "worker": self.worker,
                "machines": self.machines,
                "words": self.words,
                "engine": self.engine,
                "places": self.places,
                "busy": self.busy,
                "draining": self.draining,
                "drawn": self.drawn,
                "loaded_bytes": self.memory[0],
                "budget_bytes": self.memory[1],
                "offers": [offer.record() for offer in self.offers],
            }
        )


def read_beat(payload: bytes) -> Beat:
    """Read a sign of life. Raises MessageError."""
    fields, image = read(payload, BEAT_BYTES)
    if image is not None:
        raise MessageError("A worker's sign of life holds a picture.")
    return Beat(
        token(fields.text("worker")),
        token(fields.text("machines")),
        fields.text("words"),
        fields.text("engine"),
        fields.whole("places", MOST_PLACES),
        fields.whole("busy", MOST_PLACES),
        fields.flag("draining"),
        fields.whole("drawn"),
        fields.each("offers", MOST_OFFERS, _offer),
        (fields.whole("loaded_bytes"), fields.whole("budget_bytes")),
    )


def _offer(fields: Fields) -> Offer:
    told = Fields(fields.inside("system"))
    content = token(fields.text("content"))
    values: dict[str, Any] = {name: told.text(name, LONGEST) for name in TEXTS}
    values |= {name: told.whole(name) for name in WHOLES}
    values |= {name: told.whole(name) if told.has(name) else None for name in COUNTS}
    values |= {"gated": told.flag("gated"), "guidance_scale": told.number("guidance_scale"), "content": content}
    system = System(folder=Path(content), availability=Availability.IN_POOL, **values)
    return Offer(content, system, fields.flag("warm"), fields.number("seconds") if fields.has("seconds") else None)


class Contents:
    """The content of systems, read once for each: a digest of everything that decides what they draw."""

    def __init__(self, identity: Callable[[Path], str] = content_identity) -> None:
        self._identity = identity
        self._known: dict[System, str] = {}

    def of(self, system: System) -> str:
        """The digest, "" if the files cannot be read."""
        if system not in self._known:
            self._known[system] = self._read(system)
        return self._known[system]

    def _read(self, system: System) -> str:
        if system.parts is None:
            return ""
        try:
            identities = [self._identity(path) for path in system.parts.files]
        except DemoError:
            return ""
        return hashlib.blake2b("\0".join([*identities, system.prediction]).encode(), digest_size=12).hexdigest()


def machine_class(engine: str, environment: Mapping[str, Any], options: Mapping[str, Any]) -> tuple[str, str]:
    """The class of a machine, and the same in words: what draws the same picture in about the same time.

    `environment` is as environment.describe gives it, `options` are the engine's.
    """
    cpu = environment.get("cpu") or {}
    cores = cpu.get("quota") or cpu.get("count")
    threads = f" on {options['threads']} of them" if options.get("threads") else ""
    words = f"{cpu.get('name')}, {cores} cores, {engine}{threads}"
    facts = [words, environment.get("platform"), environment.get("packages", {}).get(engine), sorted(options.items())]
    return hashlib.blake2b(repr(facts).encode(), digest_size=5).hexdigest(), words
