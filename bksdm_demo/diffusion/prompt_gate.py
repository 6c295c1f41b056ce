"""The gate on the request. It blocks a prompt before anything is drawn, so such a prompt has no preview either.

A prompt is blocked if one of a concept's words stands in it, if its text embedding is close to that of such a word, or
if the safety checker was not measured at the settings. The embedding is the text encoder's hidden state at the end
mark, CLIP's pooled output. Below guidance 1 the picture shows the negative prompt too, so it is judged like the prompt.
"""

from __future__ import annotations

import logging
import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from bksdm_demo.diffusion.safety_rules import SafetyRules
from bksdm_demo.errors import EngineError, PackageError
from bksdm_demo.records import Request, Verdict

PROMPT_BLOCKED = "The prompt names something on this model's list of blocked concepts. Nothing was drawn. Try another."
NOT_MEASURED = "The safety checker was not measured at these settings, so nothing was drawn. Use the defaults."
FAILED = "The prompt could not be checked, so nothing was drawn. The server's log has the details."

Embed = Callable[[str], NDArray]  # a text -> its embedding [D]

_log = logging.getLogger(__name__)


class PromptGate:
    """Judges requests by a family's rules. `embed` gives the embedding of a concept's word; each is asked for once.

    Raises PackageError for a listed word without letters and digits.
    """

    def __init__(self, rules: SafetyRules, embed: Embed) -> None:
        self.rules = rules
        self._embed = embed
        self._harmless = [_phrase(phrase) for phrase in rules.harmless]
        self._named = [_phrase(word) for concept in rules.concepts for word in concept.words]

    def check(self, request: Request, embeddings: Sequence[NDArray]) -> Verdict:
        """The verdict on a request; `embeddings` are those of the prompt and of the negative prompt, each [D].

        Never raises: a gate that fails blocks the request.
        """
        try:
            reason = self._reason(request, embeddings)
        except Exception:
            # Any error blocks, on purpose. The details go to the log, not to the visitor.
            _log.exception("The prompt gate failed")
            reason = FAILED
        return Verdict(blocked=bool(reason), reason=reason)

    def _reason(self, request: Request, embeddings: Sequence[NDArray]) -> str:
        texts = (request.prompt, request.negative_prompt)
        depicted = 2 if request.guidance_scale < 1 else 1
        for text, embedding in zip(texts[:depicted], embeddings[:depicted], strict=True):
            if text and (self._names_concept(text) or self._resembles_concept(embedding)):
                return PROMPT_BLOCKED
        return "" if self.rules.covers(request) else NOT_MEASURED

    def _names_concept(self, text: str) -> bool:
        words = plain_words(text)
        for phrase in self._harmless:
            words = phrase.hide(words)
        return any(named.places(words) for named in self._named)

    def _resembles_concept(self, embedding: NDArray) -> bool:
        vectors, thresholds = self._concepts
        return bool((vectors @ _unit(embedding) > thresholds).any()) if len(vectors) else False

    @cached_property
    def _concepts(self) -> tuple[NDArray, NDArray]:
        """Unit embeddings [K, D] of the words of all concepts with a threshold, and their thresholds [K]."""
        listed = [
            (word, concept.threshold)
            for concept in self.rules.concepts
            if concept.threshold is not None
            for word in concept.words
        ]
        vectors = [_unit(self._embed(word)) for word, _ in listed]
        return np.array(vectors), np.array([threshold for _, threshold in listed])


def _unit(vector: NDArray) -> NDArray:
    length = float(np.linalg.norm(vector))
    if not np.isfinite(length) or length == 0:
        raise EngineError("The text embedding is zero or not finite.")
    return np.asarray(vector, dtype=np.float64) / length


def plain_words(text: str) -> list[str]:
    """The words of a text to compare: without case, accents and invisible characters; "b.o.m.b" is "bomb"."""
    folded = unicodedata.normalize("NFKD", text).casefold()
    kept = "".join(letter for letter in folded if unicodedata.category(letter) not in ("Mn", "Me", "Cf", "Cs"))
    words: list[str] = []
    spelled = False  # whether the latest word was put together from single letters
    for word in re.findall(r"[^\W_]+", kept):
        single = len(word) == 1 and not word.isdecimal()
        if single and spelled:
            words[-1] += word
        else:
            words.append(word)
        spelled = single
    return words


@dataclass(frozen=True)
class Phrase:
    """Words to look for; `last` are the last word and its regular plurals."""

    first: tuple[str, ...]
    last: frozenset[str]

    def places(self, words: Sequence[str]) -> list[int]:
        """Where the phrase begins in `words`."""
        before = len(self.first)
        ends = (at for at in range(before, len(words)) if words[at] in self.last)
        return [at - before for at in ends if tuple(words[at - before : at]) == self.first]

    def hide(self, words: Sequence[str]) -> list[str]:
        """The words with empty ones in place of the phrase, so that its neighbours do not become a phrase."""
        hidden = list(words)
        for at in self.places(words):
            hidden[at : at + len(self.first) + 1] = [""] * (len(self.first) + 1)
        return hidden


def _phrase(text: str) -> Phrase:
    """Raises PackageError for a text without letters and digits: it would never be found."""
    words = plain_words(text)
    if not words:
        raise PackageError(f"The safety rules list {text!r}, which has no letters or digits; write a word instead.")
    last = words[-1]
    forms = {last, last + "s", last + "es"}
    forms |= {last[: -len(end)] + "ves" for end in ("f", "fe") if last.endswith(end)}
    if last.endswith("y"):
        forms.add(last[:-1] + "ies")
    return Phrase(tuple(words[:-1]), frozenset(forms))
