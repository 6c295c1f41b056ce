"""Observes a model while it runs: samples every value to be rounded, and makes the quantization table from them."""

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
    """Adds outputs with samples to a translated model; run `model` instead. The weights must outlive the observer."""

    def __init__(self, model: Model) -> None:
        self._groups = find_groups(model)
        self._samples: list[list[NDArray[np.float32]]] = [[] for _ in self._groups]
        self._outputs = [result.get_friendly_name() for result in model.get_results()]
        self._last: tuple[Arrays, Arrays] = {}, {}
        sampled = [_sample_output(group, number) for number, group in enumerate(self._groups)]
        self.model = Model([*model.get_results(), *sampled], model.get_parameters(), model.get_friendly_name())

    def observe(self, given: Arrays, produced: Arrays) -> None:
        """Collect the samples from a run's outputs, and remember the run until the next one."""
        self._last = dict(given), {name: np.array(produced[name]) for name in self._outputs}
        for number, collected in enumerate(self._samples):
            samples = produced[f"{PREFIX}{number}"]
            collected.append(np.array(samples, dtype=np.float32).reshape(-1, samples.shape[-1]))

    def table(self) -> QuantizationTable:
        """The quantization table that suits the samples so far."""
        return QuantizationTable(fingerprint(self._groups), tuple(map(self._rounding, self._groups, self._samples)))

    def distance(self, run: Callable[[Arrays], Arrays]) -> float:
        """How near `run` comes to the last observed run: the least PSNR of its outputs in dB."""
        given, truth = self._last
        made = run(given)
        return min(psnr(made[name], truth[name]) for name in self._outputs)

    @staticmethod
    def _rounding(group: Group, samples: list[NDArray[np.float32]]) -> Rounding:
        pointwise, by_channel = all(site.pointwise for site in group), all(site.by_channel for site in group)
        return choose_rounding(np.concatenate(samples), [site.weights() for site in group], pointwise, by_channel)


def psnr(made: NDArray, truth: NDArray) -> float:
    """Peak signal-to-noise ratio in dB; the peak is the range of the truth. -inf for NaN or infinite values."""
    error = float(np.mean((made.astype(np.float64) - truth) ** 2))
    if not np.isfinite(error):
        return -math.inf
    return float(20 * np.log10(max(np.ptp(truth), TINY)) - 10 * np.log10(max(error, TINY**2)))


def _sample_output(group: Group, number: int) -> Node:
    """An output [B, POSITIONS, C] with samples of what the group reads, at fixed random positions."""
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
