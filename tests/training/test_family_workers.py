"""A training that is killed takes its workers with it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.reference
pytest.importorskip("torch")

ROOT = Path(__file__).parents[2]
PATIENCE = 120  # seconds until a test that hangs fails
SCRIPT = """
import os, sys, torch
from training import workers

def work(team, folder):
    weight = torch.nn.Parameter(torch.zeros(4))
    while True:
        weight.grad = torch.full((4,), float(team.rank))
        team.average_gradients([weight])
        assert weight.grad.tolist() == [0.5] * 4
        open(os.path.join(folder, str(os.getpid())), "w").close()

if __name__ == "__main__":
    workers.run(work, 4, sys.argv[1])
"""


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat")  # one that has ended but that nobody asked about is a zombie
    return not state.exists() or state.read_text().rpartition(")")[2].split()[0] != "Z"


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="workers are pinned to cores as on Linux")
@pytest.mark.skipif(len(getattr(os, "sched_getaffinity", lambda _: [0])(0)) < 2, reason="one core for each of two")
def test_a_killed_starter_takes_its_workers_along(tmp_path: Path) -> None:
    script, seen = tmp_path / "starter.py", tmp_path / "seen"
    script.write_text(SCRIPT)
    seen.mkdir()
    starter = subprocess.Popen(
        [sys.executable, str(script), str(seen)], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    end = time.monotonic() + PATIENCE
    while len(list(seen.iterdir())) < 2:
        assert time.monotonic() < end
        assert starter.poll() is None
        time.sleep(0.1)
    starter.kill()
    starter.wait()
    workers = [int(path.name) for path in seen.iterdir()]
    while any(map(alive, workers)):
        assert time.monotonic() < end
        time.sleep(0.1)
