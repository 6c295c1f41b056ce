"""A process of its own over a data folder, for tests that kill it: `python -m tests.store.store_child FOLDER`.

Submits a comparison of three models, says its id and another's that waits, says "first" once the first cell is final,
and stays in the middle of the second model until a line comes on stdin; then says "done".
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from bksdm_demo.records import Request
from bksdm_demo.store.contract import Retention
from bksdm_demo.store.sqlite import SqliteStore
from tests.fakes import FAMILY, fake_comparisons

REQUEST = Request("red apple", seed=7, steps=4)


def main(folder: Path) -> None:
    gate = threading.Event()
    store = SqliteStore(folder / "data", Retention())
    service = fake_comparisons(folder, {"base_unet": {"run_gate": gate}}, store=store)
    running = service.submit(REQUEST, FAMILY[:3])
    waiting = service.submit(REQUEST, FAMILY[:1])
    print(running.id, waiting.id, flush=True)
    for job in service.watch(running.id):
        if job.cells[0].phase.final:
            break
    print("first", flush=True)
    sys.stdin.readline()
    gate.set()
    for job_id in (running.id, waiting.id):
        list(service.watch(job_id))
    print("done", flush=True)
    sys.stdin.readline()
    service.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
