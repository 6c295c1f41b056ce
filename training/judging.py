"""Judges a system's pictures: names by the namer, distances to the original pictures."""

import colorsys
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from training import namer
from training.bootstrap import Interval, mean_interval, ratio_interval
from training.drawing import Album
from training.pairs import Composition, Pair

PEAK = 60.0  # dB; of equal pictures
SATURATED, BRIGHT = 0.35, 0.25  # a pixel has a colour above this saturation and value
HUES = {"red": 0, "orange": 30, "yellow": 55, "green": 120, "blue": 215, "purple": 275, "pink": 325}  # degrees
VIVID_RED = 0.65  # saturation from which a reddish pixel is red, not pink


def psnr(first: NDArray, second: NDArray) -> float:
    """Peak signal-to-noise ratio in dB of two uint8 pictures, at most PEAK."""
    error = np.square(first.astype(np.float64) - second.astype(np.float64)).mean()
    return PEAK if error == 0 else min(PEAK, 10 * math.log10(255**2 / error))


@dataclass(frozen=True)
class Judged:
    """One value per pair, in the order of the pairs: named correctly first and among five, dB and cosine to the
    original picture, blocked by the safety checker. A blocked picture counts as named wrongly; its distance is NaN.
    """

    first: NDArray[np.bool_]
    fifth: NDArray[np.bool_]
    pixels: NDArray[np.float64]
    features: NDArray[np.float64]
    blocked: NDArray[np.bool_]
    names: tuple[str, ...]  # the likeliest name of each

    def measures(self, reference: "Judged | None") -> dict[str, Interval]:
        """Every measure with its interval; the ratio of top-1 to a reference that drew the same pairs."""
        found = {
            "top1": mean_interval(self.first),
            "top5": mean_interval(self.fifth),
            "psnr": mean_interval(self.pixels),
            "cosine": mean_interval(self.features),
        }
        if reference is not None:
            found["ratio"] = ratio_interval(self.first, reference.first)
        return found


class Judge:
    """The namer with the original pictures at hand."""

    def __init__(self, network: namer.Namer, originals: NDArray[np.uint8], labels: Sequence[str]) -> None:
        self.network, self.originals, self.labels = network, originals, list(labels)
        self._places = {label: place for place, label in enumerate(self.labels)}
        self._features = namer.look(network, namer.prepare(torch.from_numpy(originals))).features

    def original(self, label: str) -> NDArray[np.uint8]:
        return self.originals[self._places[label]]

    def look(self, images: NDArray[np.uint8]) -> namer.Named:
        return namer.look(self.network, namer.prepare(torch.from_numpy(images)))

    def names(self, images: NDArray[np.uint8], best: int) -> list[list[str]]:
        """The likeliest names of pictures [N, H, W, 3]."""
        return [[self.labels[place] for place in row[:best]] for row in self.look(images).ranking.tolist()]

    def judge(self, images: NDArray[np.uint8], labels: Sequence[str], blocked: NDArray[np.bool_]) -> Judged:
        """Pictures [N, H, W, 3] that should show these concepts."""
        named = self.look(images)
        targets = torch.tensor([self._places[label] for label in labels])
        cosines = (named.features * self._features[targets]).sum(dim=1).double().numpy()
        distances = np.array([psnr(image, self.original(label)) for image, label in zip(images, labels, strict=True)])
        return Judged(
            first=named.right(targets, 1).numpy() & ~blocked,
            fifth=named.right(targets, 5).numpy() & ~blocked,
            pixels=np.where(blocked, np.nan, distances),
            features=np.where(blocked, np.nan, cosines),
            blocked=blocked,
            names=tuple(self.labels[row[0]] for row in named.ranking.tolist()),
        )

    def album(self, album: Album, pairs: Sequence[Pair]) -> Judged:
        """The pictures that a system drew for these pairs, judged."""
        drawn = [album[pair] for pair in pairs]
        images, blocked = np.stack([one.image for one in drawn]), np.array([one.blocked for one in drawn])
        return self.judge(images, [pair.label for pair in pairs], blocked)


def likeness(album: Album, reference: Album, pairs: Sequence[Pair]) -> Interval:
    """PSNR in dB between the pictures of two systems for the same pairs, blocked ones included."""
    return mean_interval(np.array([psnr(album[pair].image, reference[pair].image) for pair in pairs]))


def main_colour(image: NDArray[np.uint8]) -> str:
    """The name of the colour of most coloured pixels; "" for a picture with hardly any."""
    pixels = image.reshape(-1, 3).astype(np.float64) / 255
    high, low = pixels.max(axis=1), pixels.min(axis=1)
    saturation = np.divide(high - low, high, out=np.zeros(len(pixels)), where=high > 0)
    coloured = pixels[(saturation > SATURATED) & (high > BRIGHT)]
    if len(coloured) < 0.02 * len(pixels):
        return ""
    counts = dict.fromkeys(HUES, 0)
    for red, green, blue in coloured[:: max(1, len(coloured) // 2000)]:
        hue, chroma, _ = colorsys.rgb_to_hsv(red, green, blue)
        distances = {name: abs((360 * hue - at + 180) % 360 - 180) for name, at in HUES.items()}
        name = min(distances, key=lambda each: distances[each])
        counts["pink" if name == "red" and chroma < VIVID_RED else name] += 1
    return max(counts, key=lambda name: counts[name])


def judge_composition(composition: Composition, image: NDArray[np.uint8], names: Sequence[str]) -> dict[str, Any]:
    """Which parts of the prompt are among the likeliest `names`, and whether the colour is right."""
    found = {part: any(name in labels for name in names) for part, labels in composition.parts.items()}
    colour = main_colour(image) if composition.colour else ""
    right_colour = not composition.colour or colour == composition.colour
    return {
        "names": list(names),
        "parts": found,
        "colour": colour,
        "all": all(found.values()) and right_colour,
    }


def intervals_as_json(measures: Mapping[str, Interval]) -> dict[str, Any]:
    return {name: interval.as_json() for name, interval in measures.items()}
