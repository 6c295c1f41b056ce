"""The settings of a comparison in words, truncated prompts, and common messages. outcomes.py has the phases."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Sequence

from bksdm_demo import scheduler_facts
from bksdm_demo.languages import inflected, marked, say
from bksdm_demo.records import Job, Request

SCHEDULER_NAMES = {facts.key: facts.label for facts in scheduler_facts.FACTS}
GENERATOR_NAMES = {"numpy": "NumPy", "torch": "PyTorch (CPU)"}

UNKNOWN = "There is no comparison with this id. Results expire after a while."
NO_PICTURE = "There is no such picture."
SYNTAX = re.compile(r"\([^()]{1,200}:\s*\d+(?:\.\d+)?\)|<(?:lora|lyco|hypernet):[^<>]{1,200}>", re.IGNORECASE)
SAVING_LABELS = {  # of the options that save evaluations, still English
    "guidance_interval": marked("Guidance interval"),
    "forecast": marked("Forecast"),
    "deep_every": marked("Deep layers every"),
}
WORDS_SHOWN = 24  # truncated words that are listed before "and n more"


def reading_notes(job: Job) -> tuple[str, ...]:
    """Return the sentences on words of the prompts that the models did not read, or read as plain words."""
    return tuple(filter(None, (truncation_words(job), syntax_words(job.request))))


def truncation_words(job: Job) -> str:
    """Return a sentence on the truncated words of the prompt, the negative prompt or both, "" if there are none."""
    results = [cell.result for cell in job.cells if cell.result is not None]
    prompt = _quoted_words([result.truncated for result in results])
    negative = _quoted_words([result.negative_truncated for result in results])
    if prompt and negative:
        return say(
            "The prompt and the negative prompt are longer than the text encoder reads. "
            "The models did not read: of the prompt {prompt}; of the negative prompt {negative}",
            prompt=prompt,
            negative=negative,
        )
    if prompt:
        return say("The prompt is longer than the text encoder reads. The models did not read: {words}", words=prompt)
    if negative:
        return say(
            "The negative prompt is longer than the text encoder reads. The models did not read: {words}",
            words=negative,
        )
    return ""


def _quoted_words(found: Sequence[Sequence[str]]) -> str:
    """Quote the most words that one model did not read: "“tall tower”", "" for none."""
    words = max(found, key=len, default=())
    if not words:
        return ""
    listed = " ".join(words[:WORDS_SHOWN])
    listed = listed.lstrip(" ,.;:") or listed  # the text is mostly truncated between a word and its comma
    if len(words) > WORDS_SHOWN:
        return say("“{words}” … and {count} more", words=listed, count=len(words) - WORDS_SHOWN)
    return say("“{words}”", words=listed)


def syntax_words(request: Request) -> str:
    """Return a sentence if a prompt has weights or additions of other programs, which this demo reads as words."""
    found = SYNTAX.search(request.prompt) or SYNTAX.search(request.negative_prompt)
    if not found:
        return ""
    return say("Weights and additions such as “{part}” are read literally, as words.", part=found[0][:60])


def setting_facts(request: Request, seeds: Sequence[int]) -> tuple[tuple[str, str], ...]:
    """Return the settings that all pictures of a comparison share, as (label, value); labels are still English."""
    facts = [
        (marked("Seeds") if len(seeds) > 1 else marked("Seed"), ", ".join(map(str, seeds))),
        (marked("Steps"), str(request.steps)),
        (marked("Guidance"), f"{request.guidance_scale:g}"),
        (marked("Scheduler"), SCHEDULER_NAMES[request.scheduler]),
        (marked("Noise"), GENERATOR_NAMES[request.generator]),
    ]
    facts += saving_facts(request)
    if request.negative_prompt.strip():
        facts.append((marked("Without"), request.negative_prompt))
    return tuple(facts)


def saving_facts(request: Request) -> list[tuple[str, str]]:
    """Return the options that save evaluations and are on, as (label, value); labels are still English."""
    values = {
        "guidance_interval": interval_text(request.guidance_interval),
        "forecast": say("on"),
        "deep_every": str(request.deep_every),
    }
    return [(SAVING_LABELS[name], values[name]) for name in request.savings]


def interval_text(interval: tuple[float, ...]) -> str:
    """ "0.2:0.8", the spelling of links, pictures and the command line."""
    return ":".join(str(int(end)) if end == int(end) else repr(end) for end in interval)


def plural(count: int, noun: str) -> str:
    """ "1 picture", "2 pictures"."""
    one = f"{{count}} {noun}"
    return inflected(count, one, f"{one}s", count=count)


def shorten(text: str, limit: int, width: Callable[[str], int] = len, mark: str = "…") -> str:
    """Return the text on one line that is at most `limit` wide: characters, or what `width` measures.

    `mark` stands for what was left out.
    """
    line = " ".join(text.split())
    if width(line) <= limit:
        return line
    room = max(0, limit - width(mark))
    fitting = bisect_right(range(len(line)), room, key=lambda end: width(line[:end])) - 1
    return line[:fitting].rstrip() + mark[:limit]
