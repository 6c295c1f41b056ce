"""Schedulers by name: `build_scheduler(name, training, steps)`. Importing this package registers them all.

Reading order: training.py (what the network learned on), times.py, prediction.py, base.py (the contract), then one
file per family.
"""

from bksdm_demo.diffusion.schedulers import ddim, dpm_solver, euler, pndm
from bksdm_demo.diffusion.schedulers.base import Scheduler, build_scheduler, scheduler_names
from bksdm_demo.diffusion.schedulers.training import TrainingSchedule

__all__ = ["Scheduler", "TrainingSchedule", "build_scheduler", "ddim", "dpm_solver", "euler", "pndm", "scheduler_names"]
