"""Makes the family's safety rules: the words of the flagged concepts, and thresholds for prompts that resemble them.

    python -m training.safety_rules

The words of a concept are its names and the synonyms of training/concepts.py. The text encoder does not know synonyms,
so only names have a threshold. It lies MARGIN above the highest cosine that a harmless prompt reaches: every name,
captions, compositions and scenes. Four of five unflagged concepts take part; the others, and other scenes, show what
the thresholds do to prompts that they have not seen.
`harmless` are names of unflagged concepts that contain a flagged word. `measured` comes from MEASURED below, which is
set by hand from the table of training.checker_table.
"""

import json
import random
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from bksdm_demo.atomic_files import write_atomically
from bksdm_demo.diffusion.prompt_gate import PromptGate
from bksdm_demo.diffusion.safety_rules import FILE_NAME, Concept, SafetyRules
from bksdm_demo.engines.base import EngineOptions
from bksdm_demo.records import GUIDANCE_RANGE, STEPS_RANGE, Request
from training import data
from training.concepts import SYNONYMS
from training.drawing import embedded, pipelines
from training.scenes import grammar
from training.tokenizer import SHARED
from training.workspace import ASSETS, log

PATH = SHARED / FILE_NAME
MARGIN = 0.02
HELD_EVERY = 5  # of so many unflagged concepts, one is held out
COMPOSITIONS = 1500
SCENES = 3000
JOINTS = (" ", " and ", " on ", ", ", " with ", " beside a ")
ABOUT = "Made by training/safety_rules.py; the safety checker was measured by training/checker_table.py."
WITH_SAVINGS = {  # see docs/safety.md: the options that save evaluations were measured at these settings only
    "steps": [20, 20],
    "guidance_scale": [3.0, 3.0],
    "schedulers": ["dpmpp-2m"],
    "guidance_interval": [[0.0, 0.3], [0.5, 1.0]],
    "forecast": True,
}
WITH_RESTS = {name: value for name, value in WITH_SAVINGS.items() if name != "guidance_interval"} | {"deep_every": 3}
MEASURED = [{"steps": list(STEPS_RANGE), "guidance_scale": list(GUIDANCE_RANGE)}, WITH_SAVINGS, WITH_RESTS]

Embed = Callable[[str], NDArray]


def harmless_prompts(entries: list[dict], seed: str) -> list[str]:
    """Every name, two captions of every concept, compositions of two, and scenes."""
    draw = random.Random(seed)
    names = [name for entry in entries for name in data.names_of(entry)]
    captions = [data.caption(entry, draw) for entry in entries for _ in range(2)]
    pairs = [draw.choice(JOINTS).join(draw.sample(names, 2)) for _ in range(COMPOSITIONS)]
    scenes = [grammar.prompt(grammar.any_scene(draw), draw) for _ in range(SCENES)]
    return [prompt for prompt in (*names, *captions, *pairs, *scenes) if prompt]


def _unit(vectors: NDArray) -> NDArray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def make(embed: Embed) -> SafetyRules:
    """The rules, and their figures on held-out concepts in the log."""
    words = data.words()
    flagged, rest = ([e for e in words if e["flagged"] is which] for which in (True, False))
    learn = [entry for place, entry in enumerate(rest) if place % HELD_EVERY]
    prompts = harmless_prompts(learn, "learn")
    embeddings, concepts = _unit(np.stack([embed(prompt) for prompt in prompts])), []
    for entry in flagged:
        listed = data.names_of(entry)
        cosines = embeddings @ _unit(np.stack([embed(word) for word in listed])).T
        threshold = round(min(float(cosines.max()) + MARGIN, 1.0), 3)
        log("safety-rules", f"{entry['label']}: {', '.join(listed)}; nearest {prompts[cosines.max(axis=1).argmax()]!r}")
        concepts.append(Concept(entry["label"], tuple(listed), threshold))
        concepts.append(Concept(f"{entry['label']}, synonyms", SYNONYMS[entry["label"]]))
    words_only = PromptGate(SafetyRules(tuple(replace(concept, threshold=None) for concept in concepts)), embed)
    harmless = [name for entry in rest for name in data.names_of(entry) if blocks(words_only, embed, name)]
    rules = SafetyRules(tuple(concepts), tuple(harmless))
    gate = PromptGate(rules, embed)
    log("safety-rules", f"harmless: {', '.join(harmless)}")
    for name, entries in (("learned", learn), ("held out", rest[::HELD_EVERY])):
        tried = harmless_prompts(entries, f"try {name}")
        stopped = [prompt for prompt in tried if blocks(gate, embed, prompt)]
        log("safety-rules", f"{name}: {len(stopped)} of {len(tried)} harmless prompts stopped: {stopped[:20]}")
    return rules


def blocks(gate: PromptGate, embed: Embed, prompt: str) -> bool:
    return gate.check(Request(prompt), (embed(prompt), embed(""))).blocked


def save(rules: SafetyRules) -> None:
    concepts = [{"name": each.name, "words": list(each.words), "threshold": each.threshold} for each in rules.concepts]
    content = {"about": ABOUT, "concepts": concepts, "harmless": list(rules.harmless), "measured": MEASURED}
    write_atomically(PATH, (json.dumps(content, indent=1) + "\n").encode())


def main() -> None:
    save(SafetyRules(tuple(Concept(name, (name,)) for name in SYNONYMS)))  # no system of the family runs without any
    systems = embedded(["tiny"], ASSETS)
    with pipelines(systems, EngineOptions()) as cached, cached.lease(systems[0].key) as lease:
        known: dict[str, NDArray] = {}

        def embed(text: str) -> NDArray:
            if text not in known:
                known[text] = lease.pipeline.embed(text)
            return known[text]

        rules = make(embed)
    save(rules)
    log("safety-rules", f"written to {PATH.name}")


if __name__ == "__main__":
    main()
