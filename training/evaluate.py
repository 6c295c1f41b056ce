"""Stage 10: measures how well the shipped packages draw. The judge is a network that shares nothing with them.

    python -m training.evaluate [--systems original base small tiny] [--packages DIR ...] [--pairs 100]

Every system draws the same held-aside (prompt, seed) pairs, once from the common concepts and once from all, through
the app's own pipeline with its recommended settings. training.namer names the pictures. Measures carry percentile
bootstrap intervals over the pairs. Compositions that no caption has are drawn too. `--packages` adds every system of a
folder laid out like assets/emoji; missing parts come from the family. checker_table.py measures the safety checker.
Everything goes to training/work/evaluation: report.json, report.md, sheets
and pictures. A system whose packages have not changed is not drawn again.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bksdm_demo import environment
from bksdm_demo.errors import DemoError
from bksdm_demo.library.system import System
from training import data, evaluation_report, namer
from training.bootstrap import Ranking, median, ranking_of
from training.drawing import Album, Drawer, Order, album_path, digest_of, embedded, fill_all, in_folder, unet_bytes
from training.judging import Judge, Judged, intervals_as_json, judge_composition, likeness
from training.pairs import COMPOSITIONS, PARTS, Pair, composition_pairs, draw_pairs
from training.workspace import EMOJI, ROOT, WORK, log

STAGE = "evaluate"
OUT = WORK / "evaluation"
NAMES = ("original", "base", "small", "tiny")
REFERENCE = "emoji-original"
ROUNDS = 9  # timed pictures a system
CEILING = "reconstructions"  # what the autoencoder makes of the originals


@dataclass(frozen=True)
class Options:
    """What to evaluate; `only` limits the concepts, for a family that knows fewer than words.json."""

    systems: tuple[System, ...]
    pairs: int
    seed: int
    steps: int
    out: Path
    only: frozenset[str] | None
    timing: bool

    def asked(self, part: str) -> list[Pair]:
        return draw_pairs(data.words(), part, self.pairs, self.seed, self.only)


def say(message: str) -> None:
    log(STAGE, message)


def drawn(options: Options) -> dict[str, Album]:
    """The album of every system with all pictures of the evaluation in it."""
    pairs = tuple(pair for part in PARTS for pair in options.asked(part)) + tuple(composition_pairs(options.seed))
    folder = options.out / "pictures"
    orders = [
        Order(system, pairs, album_path(folder, system, options.steps), options.steps) for system in options.systems
    ]
    return fill_all(orders, say)


def timed(options: Options) -> dict[str, dict[str, Any]]:
    """Seconds per picture by system. If one was not measured yet, or on request, all are measured together."""
    path = options.out / "timings.json"
    known: dict[str, dict[str, Any]] = json.loads(path.read_text()) if path.exists() else {}
    machine = {"cpu": environment.cpu_name(), "cores": environment.cpu_count()}
    digests = {system.key: digest_of(system, options.steps) for system in options.systems}
    fresh = all(
        key in known and known[key]["digest"] == digest and known[key]["machine"] == machine
        for key, digest in digests.items()
    )
    if options.timing or not fresh:
        drawer = Drawer(options.systems, options.steps)
        seconds = drawer.seconds(options.asked("common")[0], ROUNDS)
        for system in options.systems:
            known[system.key] = {
                "digest": digests[system.key],
                "machine": machine,
                "precision": drawer.precision(system),
                "median": median(seconds[system.key]),
                "seconds": [round(value, 4) for value in seconds[system.key]],
            }
            say(f"{system.key}: {known[system.key]['median']:.3f} s a picture, warm, median of {ROUNDS}")
        path.write_text(json.dumps(known, indent=1))
    return {key: known[key] for key in digests}


def ceiling(judge: Judge, pairs: Sequence[Pair]) -> Judged | None:
    """The autoencoder's reconstructions of the originals: the ceiling for every generated picture."""
    from training import decoder, sampling, vae

    try:
        network = decoder.load()
    except SystemExit as missing:
        say(f"no ceiling: {missing}")
        return None
    originals = np.stack([judge.original(pair.label) for pair in pairs])
    decoded = sampling.decode(network, vae.encode(network, vae.to_tensor(originals))).numpy()
    return judge.judge(decoded, [pair.label for pair in pairs], np.zeros(len(pairs), dtype=bool))


def _judged(judged: Judged, reference: Judged | None, pairs: Sequence[Pair]) -> dict[str, Any]:
    wrong = [
        {"prompt": pair.prompt, "seed": pair.seed, "concept": pair.label, "named": name}
        for pair, right, name, held in zip(pairs, judged.first, judged.names, judged.blocked, strict=True)
        if not right and not held
    ]
    return {
        **intervals_as_json(judged.measures(reference)),
        "blocked": [pair.label for pair, held in zip(pairs, judged.blocked, strict=True) if held],
        "wrong": wrong,
    }


def _ranking(ranking: Ranking) -> dict[str, Any]:
    neighbours = [vars(pair) for pair in ranking.neighbours]
    return {"order": ranking.text(), "share": ranking.share, "neighbours": neighbours}


def part_report(options: Options, judge: Judge, albums: Mapping[str, Album], part: str) -> dict[str, Any]:
    """Measures of every system over one part's pairs, and rankings by top-1 and by the features' cosine."""
    pairs = options.asked(part)
    judged = {key: judge.album(album, pairs) for key, album in albums.items()}
    reference = judged.get(REFERENCE)
    found: dict[str, Any] = {key: _judged(one, reference, pairs) for key, one in judged.items()}
    if REFERENCE in albums:
        for key, album in albums.items():
            found[key]["psnr_to_reference"] = likeness(album, albums[REFERENCE], pairs).as_json()
    if (best := ceiling(judge, pairs)) is not None:
        found[CEILING] = _judged(best, None, pairs)
    evaluation_report.pair_sheet(judge, albums, judged, pairs).save(options.out / f"sheet-{part}.png")
    cosines = {key: np.nan_to_num(one.features) for key, one in judged.items()}
    return {
        "pairs": len(pairs),
        "systems": found,
        "order": {
            "top1": _ranking(ranking_of({key: one.first for key, one in judged.items()})),
            "cosine": _ranking(ranking_of(cosines)),
        },
    }


def composition_report(options: Options, judge: Judge, albums: Mapping[str, Album]) -> dict[str, list[dict[str, Any]]]:
    """Every composition by every system, with the three likeliest names."""
    pairs = composition_pairs(options.seed)
    found: dict[str, list[dict[str, Any]]] = {}
    for key, album in albums.items():
        images = np.stack([album[pair].image for pair in pairs])
        names = judge.names(images, 3)
        found[key] = [
            {
                "prompt": made.prompt,
                "seed": pair.seed,
                "blocked": album[pair].blocked,
                **judge_composition(made, image, likeliest),
            }
            for made, pair, image, likeliest in zip(COMPOSITIONS, pairs, images, names, strict=True)
        ]
    evaluation_report.composition_sheet(albums, pairs, found).save(options.out / "sheet-compositions.png")
    return found


def evaluate(options: Options) -> dict[str, Any]:
    """Draw what is missing, judge everything, and write the report."""
    options.out.mkdir(parents=True, exist_ok=True)
    albums, timings = drawn(options), timed(options)
    judge = Judge(namer.load(), data.pictures(), [entry["label"] for entry in data.words()])
    report = {
        "options": {"pairs": options.pairs, "seed": options.seed, "steps": options.steps, "reference": REFERENCE},
        "concepts": len(judge.labels) if options.only is None else len(options.only),
        "machine": environment.describe(),
        "systems": {
            system.key: {
                "unet_parameters": system.unet_parameters,
                "unet_bytes": unet_bytes(system),
                "guidance_scale": system.guidance_scale,
                "scheduler": system.scheduler,
                **timings[system.key],
            }
            for system in options.systems
        },
        "parts": {part: part_report(options, judge, albums, part) for part in PARTS},
        "compositions": composition_report(options, judge, albums),
    }
    (options.out / "report.json").write_text(json.dumps(report, indent=1))
    (options.out / "report.md").write_text(evaluation_report.markdown(report))
    print(evaluation_report.markdown(report))
    return report


def _systems(names: Sequence[str], folders: Sequence[Path]) -> tuple[System, ...]:
    """The shipped systems of these names, then every system in the folders, each place once."""
    found = embedded(names, EMOJI.parent)
    for folder in folders:
        taken = {system.folder.resolve() for system in found}
        found += [system for system in in_folder(folder, EMOJI / "shared") if system.folder.resolve() not in taken]
    if not found:
        raise SystemExit("no system to evaluate: name some with --systems or --packages")
    return tuple(found)


def _labels(path: Path | None) -> frozenset[str] | None:
    return None if path is None else frozenset(line.strip() for line in path.read_text().splitlines() if line.strip())


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--systems", nargs="*", choices=NAMES, default=list(NAMES), help="of the shipped family")
    parser.add_argument(
        "--packages", nargs="*", type=Path, default=[], metavar="DIR", help="folders of further systems"
    )
    parser.add_argument("--pairs", type=int, default=100, help="from the common concepts, and as many from all")
    parser.add_argument("--seed", type=int, default=0, help="decides the pairs")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--labels", type=Path, help="a file of the concepts that the systems know, one a line")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--timing", action="store_true", help="measure the seconds again")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    try:
        systems = _systems(chosen.systems, [folder.resolve() for folder in chosen.packages])
    except DemoError as error:
        raise SystemExit(str(error)) from error
    only = _labels(chosen.labels)
    evaluate(Options(systems, chosen.pairs, chosen.seed, chosen.steps, chosen.out, only, chosen.timing))
    say(f"written to {chosen.out.relative_to(ROOT) if chosen.out.is_relative_to(ROOT) else chosen.out}")


if __name__ == "__main__":
    main()
