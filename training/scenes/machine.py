"""What differs between two slow cores and a GPU: where tensors live, who makes the examples, when a training ends."""

import argparse
import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


def prepare() -> None:
    """Settings of the process: one thread on a CPU, where every further one waits for the others; TF32 on a GPU."""
    if DEVICE.type == "cpu":
        torch.set_num_threads(1)
    else:
        torch.set_float32_matmul_precision("high")
        torch.backends.cudnn.benchmark = True


def half() -> contextlib.AbstractContextManager[None]:
    """bfloat16 where it is safe."""
    return torch.autocast(DEVICE.type, torch.bfloat16)


def on_device(array: NDArray | torch.Tensor) -> torch.Tensor:
    return torch.as_tensor(array).to(DEVICE, non_blocking=True)


def to_images(pictures: NDArray[np.uint8] | torch.Tensor) -> torch.Tensor:
    """[B, H, W, 3] uint8 -> [B, 3, H, W] float32 in [-1, 1], on the device."""
    return on_device(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1


class Source(Protocol):
    """Something that makes batches of examples by the number of the first one."""

    def batch(self, first: int, size: int) -> tuple[NDArray, ...]: ...


class _Batches(torch.utils.data.Dataset):
    """Whole batches by number."""

    def __init__(self, source: Source, first: int, size: int, stride: int) -> None:
        self._source, self._first, self._size, self._stride = source, first, size, stride

    def __len__(self) -> int:
        return 10**9

    def __getitem__(self, number: int) -> tuple[NDArray, ...]:
        return self._source.batch(self._first + number * self._stride, self._size)


def batches(
    source: Source, first: int, size: int, makers: int, stride: int = 0
) -> Iterator[tuple[NDArray | torch.Tensor, ...]]:
    """Batches from example `first` on, without end; `makers` processes make them ahead, 0 for this one.

    A batch begins `stride` examples after the one before; 0 stands for `size`: none is left out.
    """
    dataset = _Batches(source, first, size, stride or size)
    if not makers:
        yield from (dataset[number] for number in range(len(dataset)))
        return
    yield from DataLoader(
        dataset,
        batch_size=None,
        sampler=range(len(dataset)),
        num_workers=makers,
        prefetch_factor=3,
        collate_fn=_as_tensors,
    )


def _as_tensors(batch: tuple[NDArray, ...]) -> tuple[torch.Tensor, ...]:
    """Tensors go to the training process through shared memory, arrays would go through a pipe."""
    return tuple(map(torch.from_numpy, batch))


@dataclass
class Budget:
    """The end of a training: a number of samples in all, and if `minutes` is given, also that time of this run.

    `share` says how far it has come, for the learning rate. Time counts as spent while the process runs: a paused one
    only comes to its end later.
    """

    samples: int
    minutes: float | None = None

    def __post_init__(self) -> None:
        self._start = time.monotonic()

    @property
    def spent(self) -> float:
        """Seconds of this run."""
        return time.monotonic() - self._start

    def share(self, samples: int) -> float:
        """0 at the start, 1 at the end."""
        by_time = self.spent / (60 * self.minutes) if self.minutes else 0.0
        return max(samples / self.samples, by_time)


def arguments(samples: int | None, batch: int) -> argparse.ArgumentParser:
    """The arguments of a training; `samples` is the default, None where it depends on other arguments."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--samples", type=int, default=samples, help="in all, those of earlier runs included")
    parser.add_argument("--minutes", type=float, help="end this run earlier, after so many minutes")
    parser.add_argument("--batch", type=int, default=batch)
    parser.add_argument("--makers", type=int, default=0, help="processes that make examples ahead")
    return parser
