"""Data-parallel training on one machine: a single-threaded process per core, gradients through shared memory.

For networks this small, it beats one process with several threads. Threads wait for each other after every operation,
workers only once per step. All workers start from the same weights and apply the same averaged gradients, so they stay
equal.
"""

import os
from collections.abc import Callable, Iterable
from typing import Any

import torch
import torch.multiprocessing as multiprocessing

COUNT = 2


class Team:
    """One worker's view of the others. Worker 0 handles the clock, the log and the checkpoints."""

    def __init__(self, rank: int, shared: torch.Tensor, clock: torch.Tensor, barrier: Any) -> None:
        self.rank, self.size = rank, len(shared)
        self._shared, self._clock, self._barrier = shared, clock, barrier

    @property
    def leads(self) -> bool:
        return self.rank == 0

    def agree(self, value: float) -> float:
        """Worker 0's value, for everyone."""
        if self.leads:
            self._clock[0] = value
        self._barrier.wait()
        agreed = self._clock[0].item()
        self._barrier.wait()
        return agreed

    def average_gradients(self, parameters: Iterable[torch.nn.Parameter]) -> None:
        """Replace every gradient by the mean over the workers. Ends the worker if its parent was killed."""
        starter = multiprocessing.parent_process()
        if starter is not None and not starter.is_alive():
            raise SystemExit("the process that started this worker is gone")
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        sizes = [gradient.numel() for gradient in gradients]
        total = sum(sizes)
        mine = self._shared[self.rank, :total]
        torch.cat([gradient.flatten() for gradient in gradients], out=mine)
        self._barrier.wait()
        mean = self._shared[0, :total].clone()
        for other in self._shared[1:, :total]:
            mean += other  # several times faster than mean(dim=0)
        mean /= self.size
        self._barrier.wait()
        for gradient, part in zip(gradients, mean.split(sizes), strict=True):
            gradient.copy_(part.view_as(gradient))


class Alone(Team):
    """A team of one, in this process: on a GPU."""

    def __init__(self) -> None:
        self.rank, self.size = 0, 1

    def agree(self, value: float) -> float:
        return value

    def average_gradients(self, parameters: Iterable[torch.nn.Parameter]) -> None:
        """Nothing: the gradients are the mean."""


def _start(rank: int, function: Callable[..., None], team: tuple, arguments: tuple) -> None:
    torch.set_num_threads(1)
    os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[rank]})
    function(Team(rank, *team), *arguments)


def run(function: Callable[..., None], parameters: int, *arguments: Any) -> None:
    """Call `function(team, *arguments)` in every worker; `parameters` bounds one call of average_gradients."""
    context = multiprocessing.get_context("spawn")
    shared = torch.zeros(COUNT, parameters).share_memory_()
    team = (shared, torch.zeros(1, dtype=torch.float64).share_memory_(), context.Barrier(COUNT))
    multiprocessing.start_processes(_start, (function, team, arguments), COUNT, start_method="spawn")
