"""The pictures the family learns: emojibase labels, with the plain words people type for them.

The lists are in concepts.txt. COMMON are four hundred everyday things; the others are every picture of GROUPS that is
not left out, and a few more by name. A name means exactly one picture: "cat" is the plain word for a cat's face, so the
whole cat is left out. FLAGGED lists the labels that the safety checker blocks.
"""

from pathlib import Path

FLAGGED = (
    "water pistol",
    "bomb",
    "kitchen knife",
    "dagger",
    "cigarette",
    "middle finger",
    "no one under eighteen",
)
SYNONYMS = {  # further words for flagged concepts; no caption has them, so only the prompt gate knows them
    "water pistol": ("handgun", "revolver", "firearm", "rifle"),
    "bomb": ("grenade", "explosive"),
    "kitchen knife": ("hocho", "cleaver"),
    "dagger": ("rapier", "katana"),
    "cigarette": ("cigar", "tobacco", "smoker"),
    "middle finger": ("flipping the bird", "fuck you"),
    "no one under eighteen": ("underage",),
}
GROUPS = (0, 3, 4, 5, 6, 7)  # smileys, nature, food, travel, activities, objects
LEFT_OUT = ("o’clock", "-thirty")  # clock faces differ by the angle of a hand

Concepts = dict[str, tuple[str, ...]]  # label -> plain words


def _read() -> dict[str, Concepts]:
    """The sections of concepts.txt."""
    sections: dict[str, Concepts] = {}
    section: Concepts = {}
    for line in Path(__file__).with_suffix(".txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            section = sections.setdefault(line.strip("[]"), {})
        elif line and not line.startswith("#"):
            label, _, words = line.partition(": ")
            section[label] = tuple(word.strip() for word in words.split(",") if word.strip())
    return sections


_SECTIONS = _read()
COMMON = _SECTIONS["common"]


def listing(groups: dict[str, int]) -> Concepts:
    """Label -> plain words, common ones first; `groups` maps every label of emojibase to its group."""
    others = _SECTIONS["others"] | _SECTIONS["by name"]
    taken = {word for words in (*COMMON.values(), *others.values()) for word in words}
    unnamed: Concepts = {
        label: ()
        for label, group in groups.items()
        if group in GROUPS and label not in COMMON and label not in others
        if label not in taken and not label.endswith(LEFT_OUT)
    }
    return COMMON | others | unnamed
