"""A model that also yields samples of every value to be rounded, and the table that follow from them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from math import prod

import numpy as np
import openvino.opset13 as op
from numpy.typing import NDArray
from openvino import Model, Node

from bksdm_demo.engines.quantization.scales import TINY, Rounding, choose_rounding
from bksdm_demo.engines.quantization.sites import Group, find_groups, fingerprint
from bksdm_demo.engines.quantization.table import QuantizationTable

POSITIONS = 16  # sampled in each picture of each call
PREFIX = "observed "

Arrays = Mapping[str, NDArray]


class Observer:
    """Takes a model as it is translated; `model` is the one to run. The weights must outlive the observer."""

    def __init__(self, model: Model) -> None:
        self._groups = find_groups(model)
        self._samples: list[list[NDArray[np.float32]]] = [[] for _ in self._groups]
        self._outputs = [result.get_friendly_name() for result in model.get_results()]
        self._last: tuple[Arrays, Arrays] = {}, {}
        watched = [_watch(group, number) for number, group in enumerate(self._groups)]
        self.model = Model([*model.get_results(), *watched], model.get_parameters(), model.get_friendly_name())

    def take(self, given: Arrays, produced: Arrays) -> None:
        """Keep the samples among a run's outputs, and the run itself until the next one."""
        self._last = dict(given), {name: np.array(produced[name]) for name in self._outputs}
        for number, kept in enumerate(self._samples):
            samples = produced[f"{PREFIX}{number}"]
            kept.append(np.array(samples, dtype=np.float32).reshape(-1, samples.shape[-1]))

    def table(self) -> QuantizationTable:
        """What the samples taken so far call for."""
        return QuantizationTable(fingerprint(self._groups), tuple(map(self._rounding, self._groups, self._samples)))

    def distance(self, run: Callable[[Arrays], Arrays]) -> float:
        """How near `run` comes to the last run that was taken: the least PSNR of its outputs in dB."""
        given, truth = self._last
        made = run(given)
        return min(psnr(made[name], truth[name]) for name in self._outputs)

    @staticmethod
    def _rounding(group: Group, samples: list[NDArray[np.float32]]) -> Rounding:
        pointwise, by_channel = all(site.pointwise for site in group), all(site.by_channel for site in group)
        return choose_rounding(np.concatenate(samples), [site.weights() for site in group], pointwise, by_channel)


def psnr(made: NDArray, truth: NDArray) -> float:
    """Peak signal-to-noise ratio in dB, the peak being the truth's range; -inf for what is not a number."""
    error = float(np.mean((made.astype(np.float64) - truth) ** 2))
    if not np.isfinite(error):
        return -math.inf
    return float(20 * np.log10(max(np.ptp(truth), TINY)) - 10 * np.log10(max(error, TINY**2)))


def _watch(group: Group, number: int) -> Node:
    """An output [B, POSITIONS, C] of what the group reads, at positions drawn once."""
    site = group[0]
    shape = list(site.source.get_shape())
    first = site.axis == 1 and site.is_convolution
    places = prod(shape[2:]) if first else prod(shape[1:-1])
    rows = op.reshape(site.source, [shape[0], shape[1], places] if first else [shape[0], places, shape[-1]], False)
    if first:
        rows = op.transpose(rows, [0, 2, 1])  # [B, S, C]
    drawn = np.random.default_rng(number).choice(places, min(places, POSITIONS), replace=False)
    result = op.result(op.gather(rows, np.sort(drawn).astype(np.int32), np.array(1, np.int32)))
    result.set_friendly_name(f"{PREFIX}{number}")
    return result
