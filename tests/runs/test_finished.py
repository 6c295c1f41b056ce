"""Which finished jobs are forgotten: by number, by age, never those that are kept."""

from __future__ import annotations

from bksdm_demo.records import Cell, Job, Phase, Request
from bksdm_demo.runs.finished import Finished


def jobs(*names: str) -> dict[str, Job]:
    return {name: Job(name, Request("red apple"), (Cell("one", Phase.DONE),)) for name in names}


def test_the_oldest_go_first() -> None:
    finished, known = Finished(2, 60.0), jobs("a", "b", "c")
    for second, name in enumerate(known):
        finished.add(name, float(second))
    finished.add("a", 9.0)  # keeps its end
    assert finished.drop_old(known, (), 10.0) == ["a"]
    assert finished.drop_old(known, (), 61.0) == []
    assert finished.drop_old(known, (), 61.5) == ["b"]


def test_kept_jobs_stay_until_they_are_not_kept() -> None:
    finished, known = Finished(0, 60.0), jobs("a", "b")
    for name in known:
        finished.add(name, 0.0)
    assert finished.drop_old(known, {"a"}, 0.0) == ["b"]
    finished.drop("a")  # it runs again
    assert finished.drop_old(known, (), 1000.0) == []
