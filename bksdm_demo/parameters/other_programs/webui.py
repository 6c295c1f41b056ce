"""The text that AUTOMATIC1111's stable-diffusion-webui writes, and that many programs write a little differently.

    a red fox
    Negative prompt: blurry
    Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 42, Hashes: {"model": "ab, cd"}, Model: "dream, v2"

The layout follows modules/infotext_utils.py. Extensions and other programs put settings before "Steps", separate them
by "|", break lines inside and add lines after them, and quote whole prompts. So the settings begin where most known
names stand, quotes and brackets hold a value together, and the first value of a name counts. Takes linear time.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping

from bksdm_demo.parameters.other_programs.stated import GRAPHICS_CARD, Stated

PROGRAM = "stable-diffusion-webui"
OURS = "bksdm-demo"  # png_writer.py writes the same layout
KEY = re.compile(r"\s*([A-Za-z][\w \-/+().']{0,60}?):(?=\s|[\"\[{(]|$)")
SETTINGS = ("steps", "sampler", "cfg scale", "seed", "size", "model", "model hash", "schedule type", "version", "rng")
STEPS_ALONE = re.compile(r"Steps:\s*\d+\s*(?:[,|].*)?", re.IGNORECASE | re.DOTALL)
SETTINGS_INSIDE = re.compile(r"(?<=\s)Steps:\s*\d+\s*[,|]")
QUOTED = re.compile(r'"(?:[^"\\]|\\.)*+"', re.DOTALL)
PROMPT_KEY = re.compile(r"(?:positive )?prompt|.*negative prompt", re.IGNORECASE)
LINE_BREAK = re.compile("\r\n|[\n\r\x85]")
LONGEST_TEXT = 100_000  # characters; programs write a few thousand
NEGATIVE = "negative prompt:"
PROMPT = re.compile(r"\s*(?:positive )?prompt:\s+", re.IGNORECASE)
BRACKETS = {"(": ")", "[": "]", "{": "}"}
BOOKKEEPING = re.compile(r"version|hash|date|resources|metadata|^(model|vae|template|negative template|user|backend)\b")
NOISE = {"cpu": "torch", "gpu": GRAPHICS_CARD, "nv": GRAPHICS_CARD}


def read_webui(text: str) -> Stated:
    """Return what a text states; without settings, it is a prompt and perhaps a negative prompt."""
    if len(text) > LONGEST_TEXT:
        return Stated(PROGRAM)
    lines = LINE_BREAK.split(text)
    before, block = _split(lines)
    prompt, negative = _prompts(before)
    settings: dict[str, str] = {}
    names: list[str] = []
    for name, value in pairs(block):
        if name.lower() not in settings:  # the first one counts
            settings[name.lower()] = value
            names.append(name)
    return Stated(
        program=OURS if _ours(settings) else PROGRAM,
        prompt=prompt,
        negative_prompt=negative,
        steps=settings.get("steps"),
        guidance_scale=settings.get("cfg scale"),
        seed=settings.get("seed"),
        sampler=settings.get("sampler", ""),
        schedule=_schedule(settings),
        noise=settings.get("noise") or NOISE.get(settings.get("rng", "").lower(), ""),
        model=settings.get("model", ""),
        guidance_interval=settings.get("guidance interval", "") if _ours(settings) else "",
        forecast=settings.get("forecast", "") if _ours(settings) else "",
        deep_every=settings.get("deep layers every") if _ours(settings) else None,
        others=() if _ours(settings) else tuple(name for name in names if _changes_pictures(name.lower())),
    )


def pairs(block: str) -> Iterator[tuple[str, str]]:
    """Yield the "Key: value" pairs of a settings block. A value in quotation marks is a JSON string."""
    starts = [0, *(place + 1 for place in _separators(block))]
    found: list[tuple[str, list[str]]] = []
    for start, end in zip(starts, [*starts[1:], len(block) + 1], strict=True):
        part = block[start:end]  # with the separator after it
        key = KEY.match(part)
        if key is not None:
            found.append((key[1].strip(), [part[key.end() :]]))
        elif found:
            found[-1][1].append(part)  # a comma inside a value
    for name, parts in found:
        yield name, _unquoted("".join(parts).strip(" \t\n,|"))


def _split(lines: list[str]) -> tuple[list[str], str]:
    """Return the lines before the settings, and the settings as one text."""
    start = _settings_line(lines)
    if start is None:
        return _split_inside(lines)
    while start > 0 and lines[start - 1].rstrip().endswith((",", "|")) and _known(lines[start - 1]):
        start -= 1  # the line before is of settings, too
    return lines[:start], "\n".join(lines[start:])


def _settings_line(lines: list[str]) -> int | None:
    """Return the number of the line that begins with a setting and holds most of them; the last one of equals."""
    best, most = None, 2
    for place, line in enumerate(lines):
        key = KEY.match(line)
        if key is not None and not PROMPT_KEY.fullmatch(key[1]):
            count = _known(line)
            if count >= most:
                best, most = place, count
    last = max((place for place, line in enumerate(lines) if line.strip()), default=0)
    if best is None and lines and STEPS_ALONE.fullmatch(lines[last].strip()):
        return last
    return best


def _split_inside(lines: list[str]) -> tuple[list[str], str]:
    """Split at settings that follow the prompt on its own line: three known names or more."""
    for place in range(len(lines) - 1, -1, -1):
        for found in SETTINGS_INSIDE.finditer(lines[place]):
            rest = lines[place][found.start() :]
            if _known(rest) >= 3:
                return [*lines[:place], lines[place][: found.start()]], "\n".join([rest, *lines[place + 1 :]])
            break  # later ones on this line have fewer names
    return lines, ""


def _known(line: str) -> int:
    """Return how many settings that all such programs know a line states, outside of quotes and brackets."""
    return len({name.lower() for name, _ in pairs(line)} & set(SETTINGS))


def _prompts(lines: list[str]) -> tuple[str, str]:
    start = next((place for place, line in enumerate(lines) if line.lower().lstrip().startswith(NEGATIVE)), len(lines))
    prompt, negative = "\n".join(lines[:start]), "\n".join(lines[start:]).lstrip()[len(NEGATIVE) :]
    if start == len(lines):  # line breaks are lost in some copies
        prompt, _, negative = prompt.partition(" Negative prompt: ")
    prefix = PROMPT.match(prompt)
    return prompt[prefix.end() if prefix else 0 :].strip(), negative.strip()


def _separators(block: str) -> Iterator[int]:
    """Yield the places of commas, bars and line breaks that are in no quotes and brackets."""
    place, quotes, brackets = 0, True, True  # whether those that open are closed again
    value_begins = False
    while place < len(block):
        letter, end = block[place], None
        if letter == '"' and value_begins and quotes:
            end = _quote_end(block, place)
            quotes = end is not None
        elif letter in BRACKETS and brackets:
            end = _bracket_end(block, place)
            brackets = end is not None
        if end is not None:
            place = end
        elif letter in ",|\n":
            yield place
        value_begins = letter == ":" or (value_begins and letter.isspace())
        place += 1


def _quote_end(block: str, start: int) -> int | None:
    quoted = QUOTED.match(block, start)
    return None if quoted is None else quoted.end() - 1


def _bracket_end(block: str, start: int) -> int | None:
    """Return where a bracket closes; None if it or one inside does not. A quote inside that closes hides brackets."""
    awaited, place = [BRACKETS[block[start]]], start + 1
    while place < len(block):
        letter = block[place]
        if letter == '"':
            end = _quote_end(block, place)
            if end is None:
                return None
            place = end
        elif letter in BRACKETS:
            awaited.append(BRACKETS[letter])
        elif letter in BRACKETS.values():
            if awaited.pop() != letter:
                return None
            if not awaited:
                return place
        place += 1
    return None


def _unquoted(value: str) -> str:
    if len(value) > 1 and value[0] == value[-1] == '"':
        try:
            return str(json.loads(value))
        except ValueError:
            return value
    return value


def _schedule(settings: Mapping[str, str]) -> str:
    """The noise schedule. Since webui 1.9 DPM++ 2M is written with a schedule, and "Automatic" means Karras for it."""
    schedule = settings.get("schedule type", "")
    if schedule.lower() == "automatic" and settings.get("sampler", "").lower() == "dpm++ 2m":
        return "Karras"
    return schedule


def _ours(settings: Mapping[str, str]) -> bool:
    """Whether png_writer.py wrote the text: then no setting is missing here."""
    return settings.get("version", "").startswith(OURS)


def _changes_pictures(name: str) -> bool:
    """Whether a setting is one that this demo does not have; names of models and hashes draw nothing."""
    known = {"steps", "sampler", "cfg scale", "seed", "schedule type", "rng", "noise"}
    return name not in known and not BOOKKEEPING.search(name)
