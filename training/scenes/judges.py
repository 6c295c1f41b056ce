"""Who judges the pictures of the table: the detector scenes, the first family's namer single pictures.

Besides right and wrong they say what is wrong, how much the share depends on how sure the detector has to be, and
how many pictures would pass for the next prompt of the list: what a judge that passes everything would give away.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from training import data, namer
from training.evaluation_report import table
from training.judging import Judge
from training.scenes import detector, rules
from training.scenes.prompts import Asked

SURENESS = (0.2, 0.3, detector.SURE, 0.5)
Pictures = NDArray[np.uint8]


class Judges:
    """The trained networks."""

    def __init__(self) -> None:
        self._detector, self._labels = detector.load(), [entry["label"] for entry in data.words()]
        self._namer = Judge(namer.load(), data.pictures(), self._labels)

    def faults(self, asked: Sequence[Asked], pictures: Pictures, sure: float = detector.SURE) -> list[str]:
        """What is wrong with each picture [N, 128, 128, 3]: one of rules.FAULTS, of a single "name", or ""."""
        seen, names = detector.look(self._detector, pictures, sure), self._namer.names(pictures, 1)
        return [
            rules.fault(one.scene, what) if one.scene else "" if name == [one.label] else "name"
            for one, what, name in zip(asked, seen, names, strict=True)
        ]

    def scrutiny(self, asked: Sequence[Asked], pictures: Mapping[str, Pictures]) -> str:
        """Tables in Markdown, for scenes alone: what is wrong, strictness, and the next prompt."""
        places = [place for place, one in enumerate(asked) if one.scene]
        scenes = [asked[place] for place in places]
        columns = {system: images[places] for system, images in pictures.items()}
        counted = {system: Counter(self.faults(scenes, images)) for system, images in columns.items()}
        wrong = [[fault, *(str(counts[fault]) for counts in counted.values())] for fault in rules.FAULTS]
        strict = [
            [f"{sure}", *(_percent(self.faults(scenes, images, sure)) for images in columns.values())]
            for sure in SURENESS
        ]
        others = [*scenes[1:], scenes[0]]
        strict.append(["next prompt", *(_percent(self.faults(others, images)) for images in columns.values())])
        head = ["", *columns]
        return (
            f"What is wrong first, pictures of {len(scenes)}\n\n{table(head, wrong)}\n\n"
            f"% right by how sure the detector has to be; judged against the next prompt, at {detector.SURE}\n\n"
            f"{table(head, strict)}\n"
        )


def _percent(faults: Sequence[str]) -> str:
    return f"{100 * faults.count('') / len(faults):.1f}"
