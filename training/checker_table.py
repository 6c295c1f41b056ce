"""Measures both gates over the whole range of settings, on the runs of checker_runs.py that judge.

    python -m training.checker_table [--runs 6000] [--out DIR]

Seeds are held out, and so are the settings of HELD_STEPS and HELD_GUIDANCE. The safety checker judges every finished
picture and every decoded estimate (what a preview shows). The prompt gate judges every request. A picture counts as
flagged if its prompt names a flagged concept, even where nobody could recognise it: 1 step at guidance 30 draws a blot.
Writes table.md, worst.json and worst.png, a sheet of the flagged pictures that the checker alone lets out, the most
confident mistakes first. Scores are stored under the checker's digest.
"""

import argparse
import json
import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from bksdm_demo import environment
from bksdm_demo.diffusion.safety import SafetyChecker
from bksdm_demo.engines.base import EngineOptions
from bksdm_demo.engines.registry import open_engine
from bksdm_demo.mil.identity import content_identity
from bksdm_demo.records import SCHEDULERS
from bksdm_demo.runs.previews import CLEAR
from training import checker_runs
from training.bootstrap import Interval, wilson
from training.checker_runs import FINISHED, STEP_GROUPS, Album, Run
from training.drawing import embedded, parts_of, pipelines
from training.evaluation_report import table
from training.workspace import ASSETS, WORK, log

OUT = WORK / "evaluation" / "gates"
GUIDANCE_GROUPS = ((0.0, 0.9), (1.0, 1.9), (2.0, 3.9), (4.0, 5.9), (6.0, 8.9), (9.0, 12.9), (13.0, 19.9), (20.0, 30.0))
RECOMMENDED_STEPS, RECOMMENDED_GUIDANCE = (10, 50), (2.0, 5.0)
SHEET = 20  # pictures
BY_PROMPT = ("one thing", "composed")  # rows that also split the recommended settings
HEADS = ("settings", "flagged", "checker lets out %", "both let out %", "others", "checker blocks %", "both block %")

Which = Callable[[Run], bool]


@dataclass(frozen=True)
class Judged:
    """What the gates say. `scores` [N] is each picture's highest score, `stopped` [R] the prompt gate's per run."""

    album: Album
    scores: NDArray[np.float64]
    stopped: NDArray[np.bool_]

    @cached_property
    def flagged(self) -> NDArray[np.bool_]:
        """[R]"""
        return np.array([run.flagged for run in self.album.runs])

    @cached_property
    def finished(self) -> NDArray[np.bool_]:
        """[N]"""
        return self.album.steps == FINISHED

    def pictures(self, which: Which, finished: bool = True) -> NDArray[np.bool_]:
        """The finished pictures, or the estimates, of some runs, [N]."""
        chosen = np.array([which(run) for run in self.album.runs])
        return chosen[self.album.places] & (self.finished == finished)

    def shares(self, which: NDArray[np.bool_], limit: float = 0.0) -> dict[str, Any]:
        """Of some pictures: flagged ones let out and others blocked, by the checker alone and by both gates."""
        bad, stopped = self.flagged[self.album.places], self.stopped[self.album.places]
        blocked = self.scores > limit
        both = blocked | stopped
        found = {}
        for name, verdict in (("checker", blocked), ("both", both)):
            found[f"out_{name}"] = wilson(int((~verdict & bad & which).sum()), int((bad & which).sum()))
            found[f"alarms_{name}"] = wilson(int((verdict & ~bad & which).sum()), int((~bad & which).sum()))
        return found | {"flagged": int((bad & which).sum()), "others": int((~bad & which).sum())}


def _scores(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The highest concept score of each picture, as the app computes it."""
    system = embedded(["tiny"], ASSETS)[0]
    checker = SafetyChecker(open_engine(parts_of(system).checker(), EngineOptions(threads=1), exact=True))
    verdicts = [checker.check(image) for image in images]
    assert all(verdict.scores for verdict in verdicts), "the checker failed on a picture"
    assert all(verdict.blocked == (max(verdict.scores) > 0) for verdict in verdicts)
    return np.array([max(verdict.scores) for verdict in verdicts])


def scores_of(album: Album, folder: Path) -> NDArray[np.float64]:
    """[N], computed by one process per core and stored beside the pictures."""
    digest = content_identity(parts_of(embedded(["tiny"], ASSETS)[0]).checker())[:12]
    path = folder / f"scores-{digest}-{len(album.images)}.npy"
    if not path.exists():
        with ProcessPoolExecutor(environment.cpu_count(), multiprocessing.get_context("spawn")) as pool:
            parts = list(pool.map(_scores, np.array_split(album.images, 4 * environment.cpu_count())))
        np.save(path, np.concatenate(parts))
    return np.load(path)


def stopped_of(runs: tuple[Run, ...]) -> NDArray[np.bool_]:
    """Whether the prompt gate blocks each run, [R]."""
    systems = embedded(["tiny"], ASSETS)  # all four share the text encoder
    with pipelines(systems, EngineOptions(threads=1)) as cached, cached.lease(systems[0].key) as lease:
        pipeline, known = lease.pipeline, {}

        def embed(text: str) -> NDArray:
            if text not in known:
                known[text] = pipeline.embed(text)
            return known[text]

        gate = pipeline.gate
        assert gate is not None, "the family has safety rules"
        return np.array(
            [gate.check(run.request(), (embed(run.prompt), embed(run.negative_prompt))).blocked for run in runs]
        )


def recommended(run: Run) -> bool:
    """Near the recommended settings, any scheduler."""
    steps, guidance = RECOMMENDED_STEPS, RECOMMENDED_GUIDANCE
    return steps[0] <= run.steps <= steps[1] and guidance[0] <= run.guidance_scale <= guidance[1]


def rows() -> Iterator[tuple[str, Which]]:
    """The lines of the table, each with its runs."""
    yield "all", lambda run: True
    yield "recommended: 10 to 50 steps, guidance 2 to 5", recommended
    yield "held-out settings", lambda run: run.held_out
    for low, high in STEP_GROUPS:
        yield f"{low} to {high} steps" if high > low else f"{low} steps", lambda r, a=low, b=high: a <= r.steps <= b
    for least, most in GUIDANCE_GROUPS:
        yield f"guidance {least:g} to {most:g}", lambda r, a=least, b=most: a <= r.guidance_scale <= b
    for name in SCHEDULERS:
        yield name, lambda r, a=name: r.scheduler == a
    for name in ("numpy", "torch"):
        yield f"{name} noise", lambda r, a=name: r.generator == a
    for name in ("auto", "int8"):
        yield f"precision {name}", lambda r, a=name: r.precision == a
    for name in checker_runs.NAMES:
        yield f"emoji-{name}", lambda r, a=name: r.system == f"emoji-{a}"
    yield "one thing", lambda run: not run.composed
    yield "composed", lambda run: run.composed
    yield "with a negative prompt", lambda run: bool(run.negative_prompt)


def _percent(interval: Interval) -> str:
    return "-" if not np.isfinite(interval.value) else interval.text(2, 100)


def _line(name: str, found: dict[str, Any]) -> list[str]:
    shown = [_percent(found[key]) for key in ("out_checker", "out_both")]
    alarms = [_percent(found[key]) for key in ("alarms_checker", "alarms_both")]
    return [name, str(found["flagged"]), *shown, str(found["others"]), *alarms]


def preview_rows(judged: Judged) -> list[list[str]]:
    """Runs of flagged prompts, had the prompt gate let them through: how many show an estimate though they end blocked.

    Estimates are shown in order, up to the first whose score is not below -margin.
    """
    found = []
    order = np.lexsort((judged.album.steps, judged.album.places))
    final = dict(zip(judged.album.places[judged.finished], judged.scores[judged.finished], strict=True))
    for margin in (0.0, CLEAR / 2, CLEAR, 2 * CLEAR):
        shown, lost, over = set(), set(), set()
        for at in order:
            place, step = int(judged.album.places[at]), judged.album.steps[at]
            if step <= FINISHED or place in over:
                continue
            if judged.scores[at] < -margin:
                shown.add(place)
            else:
                over.add(place)
        ended = {place for place, score in final.items() if score > 0}
        bad = {place for place in final if judged.flagged[place]}
        lost = {place for place in final if not judged.flagged[place] and place not in shown}
        without, withal = shown & bad & ended, {p for p in shown & bad & ended if not judged.stopped[p]}
        found.append(
            [
                f"{margin:.3f}",
                str(len(bad & ended)),
                _percent(wilson(len(without), len(bad & ended))),
                _percent(wilson(len(withal), len(bad & ended))),
                _percent(wilson(len(lost), len(final) - len(bad))),
            ]
        )
    return found


def sheet(judged: Judged, which: NDArray[np.bool_], path: Path) -> list[dict[str, Any]]:
    """The flagged pictures that the checker alone lets out, those with the lowest scores first; at most SHEET."""
    missed = np.flatnonzero(which & judged.flagged[judged.album.places] & (judged.scores <= 0))
    worst = missed[np.argsort(judged.scores[missed])][:SHEET]
    side, columns = 128, 5
    board = Image.new("RGB", (columns * side * 2, -(-max(len(worst), 1) // columns) * side), "white")
    draw, listed = ImageDraw.Draw(board), []
    for number, at in enumerate(worst):
        run, corner = (
            judged.album.runs[judged.album.places[at]],
            (number % columns * side * 2, number // columns * side),
        )
        board.paste(Image.fromarray(judged.album.images[at]), corner)
        facts = (run.prompt, run.system, f"{run.steps} steps, g {run.guidance_scale}", run.scheduler, run.precision)
        score = f"{judged.scores[at]:+.3f}"
        draw.text((corner[0] + side + 4, corner[1] + 8), "\n".join((*facts, score)), fill="black")
        listed.append({"score": float(judged.scores[at]), "step": int(judged.album.steps[at]), **vars(run)})
    board.save(path)
    return listed


def measured(kind: str, count: int) -> Judged:
    """The gates' verdicts on the runs of a kind, drawn if necessary."""
    folder = checker_runs.make(kind, count)
    album = checker_runs.load(kind, count)
    return Judged(album, scores_of(album, folder), stopped_of(album.runs))


def markdown(judged: Judged, usual: Judged) -> str:
    """The tables: `judged` has the runs over the whole range, `usual` those at the recommended settings."""
    lines, everything = ["Finished pictures:", ""], next(rows())[1]
    exactly = "exactly as recommended: 20 steps, guidance 3, dpmpp-2m"
    exact = [
        _line(f"{exactly}{words}", usual.shares(usual.pictures(which)))
        for words, which in (("", everything), *((f", {name}", row) for name, row in rows() if name in BY_PROMPT))
    ]
    shown = [_line(name, judged.shares(judged.pictures(which))) for name, which in rows()]
    lines.append(table(HEADS, [*exact, *shown]))
    previews = usual.shares(usual.pictures(everything, finished=False))
    lines += ["", "Estimates, as previews show them, before the margin:", ""]
    names = ("all", "recommended", "held-out")
    lines.append(
        table(
            HEADS,
            [_line("exactly as recommended", previews)]
            + [
                _line(name, judged.shares(judged.pictures(which, finished=False)))
                for name, which in rows()
                if name.startswith(names) or name.endswith("steps")
            ],
        )
    )
    heads = (
        "margin",
        "flagged runs that end blocked",
        "showed one %",
        "past the prompt gate %",
        "others without any %",
    )
    lines += ["", "Runs with previews:", "", table(heads, preview_rows(judged))]
    named = np.array([run.flagged for run in judged.album.runs])
    harmless = wilson(int((judged.stopped & ~named).sum()), int((~named).sum()))
    lines += ["", f"The prompt gate: stops {_percent(wilson(int((judged.stopped & named).sum()), int(named.sum())))} "]
    lines[-1] += f"% of {int(named.sum())} flagged prompts and {_percent(harmless)} % of {int((~named).sum())} others."
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=checker_runs.RUNS["judge"])
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    usual, judged = measured("recommended", checker_runs.RUNS["recommended"]), measured("judge", options.runs)
    options.out.mkdir(parents=True, exist_ok=True)
    text = markdown(judged, usual)
    (options.out / "table.md").write_text(text)
    worst = sheet(judged, judged.finished, options.out / "worst.png")
    (options.out / "worst.json").write_text(json.dumps(worst, indent=1))
    print(text)
    log("checker-table", f"written to {options.out}")


if __name__ == "__main__":
    main()
