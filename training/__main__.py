"""Runs every stage of the training in order, each with its default budget. Skips what is up to date.

    python -m training [--list] [STAGE ...]

A stage is up to date if its results exist and its inputs have not changed since. training/work/stages holds the digests
of the inputs. If a training stage was run by itself, its results count as made from the present inputs. Packages,
reports and pictures without a record are made again. If inputs have changed, the stage's checkpoints are set aside
(NAME.before.pt) and it starts over. A stopped stage resumes. A stage that fails ends the run.
"""

import argparse
import hashlib
import json
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch

from training import workspace
from training.distill import COMPARED, CONTROLS, EARLY_STUDENTS
from training.networks import STUDENTS
from training.workspace import DATA, EMOJI, checkpoint_path

SYSTEMS = ("original", *STUDENTS)
EVALUATION = workspace.WORK / "evaluation"
PACKAGES = tuple(EMOJI / name for name in ("shared", *(f"emoji-{name}" for name in SYSTEMS)))
DRAWING = ("text", "decoder", *SYSTEMS)  # the parts that draw, by their names in export.py
RULES = EMOJI / "shared" / "safety_rules.json"
CHECKER = EMOJI / "shared" / "Stable_Diffusion_version_emoji_safety_checker.mlpackage"
DRAWN = (
    tuple(
        EMOJI / "shared" / f"Stable_Diffusion_version_emoji_{part}.mlpackage"
        for part in ("text_encoder", "vae_decoder")
    )
    + PACKAGES[1:]
)
CONTROL_PACKAGES, FLOAT16_PACKAGES = workspace.WORK / "controls", workspace.WORK / "float16"


@dataclass(frozen=True)
class Stage:
    """A module with its arguments, the paths it reads, and the checkpoints and other paths it makes.

    `trusted`: results without a record of their inputs count as up to date.
    """

    name: str
    command: str
    inputs: tuple[Path, ...]
    checkpoints: tuple[str, ...] = ()
    makes: tuple[Path, ...] = ()
    trusted: bool = False

    @property
    def record(self) -> Path:
        return workspace.WORK / "stages" / f"{self.name}.json"


def _checkpoints(*names: str) -> tuple[Path, ...]:
    return tuple(map(checkpoint_path, names))


def stages() -> tuple[Stage, ...]:
    words, pictures = DATA / "words.json", DATA / "pictures.npy"
    vocabulary = (EMOJI / "shared" / "vocab.json", EMOJI / "shared" / "merges.txt")
    sources = (*sorted(DATA.glob("*.tgz")), Path(__file__).with_name("concepts.txt"))
    wall, plot, report = EMOJI / "wall.webp", EMOJI / "quality.svg", EVALUATION / "report.json"
    family, folders = (*SYSTEMS, "decoder"), (CONTROL_PACKAGES, FLOAT16_PACKAGES)
    extra = " ".join(str(folder.relative_to(workspace.ROOT)) for folder in folders)
    return (
        Stage("data", "training.data", sources, makes=(words, pictures), trusted=True),
        Stage("tokenizer", "training.tokenizer", (words,), makes=vocabulary, trusted=True),
        Stage("vae", "training.vae", (pictures,), ("vae",), trusted=True),
        Stage("original", "training.original", (words, *vocabulary, *_checkpoints("vae")), ("original",), trusted=True),
        Stage("students", "training.distill", _checkpoints("original"), (*STUDENTS, *EARLY_STUDENTS), trusted=True),
        Stage(
            "controls",
            f"training.distill --arms {' '.join(CONTROLS)}",
            _checkpoints("original"),
            CONTROLS,
            trusted=True,
        ),
        Stage("decoder", "training.decoder", (pictures, *_checkpoints("vae")), ("decoder",), trusted=True),
        Stage("namer", "training.namer", (words, pictures), ("namer",), trusted=True),
        Stage("export", f"training.export --parts {' '.join(DRAWING)}", _checkpoints(*family), makes=DRAWN),
        Stage("safety-rules", "training.safety_rules", (words, *DRAWN[:1]), makes=(RULES,)),
        Stage("checker", "training.checker", (words, pictures, *DRAWN), ("checker",), trusted=True),
        Stage(
            "export-checker",
            "training.export --parts checker",
            _checkpoints("checker"),
            makes=(CHECKER, EMOJI / "shared"),
        ),
        Stage(
            "export-controls",
            "training.export --controls",
            _checkpoints(*COMPARED),
            makes=(CONTROL_PACKAGES,),
        ),
        Stage("export-float16", "training.export --float16", _checkpoints(*SYSTEMS), makes=(FLOAT16_PACKAGES,)),
        Stage("verify", "training.verify", PACKAGES),
        Stage("verify-float16", "training.verify --float16", (FLOAT16_PACKAGES,)),
        Stage(
            "evaluate",
            f"training.evaluate --packages {extra}",
            (*PACKAGES, *folders, *_checkpoints("namer")),
            makes=(report,),
        ),
        Stage("evaluate-checker", "training.checker_table", PACKAGES),
        Stage("wall", "training.wall", PACKAGES, makes=(wall,)),
        Stage("plot", "training.plot", (report,), makes=(plot,)),
    )


def digest_of(path: Path) -> str:
    """The digest of a file, or of everything in a folder; "" if there is neither."""
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    parts = [f"{file.relative_to(path)} {_file_digest(file, _stamp(file))}" for file in files if file.is_file()]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16] if parts else ""


def _stamp(file: Path) -> tuple[int, int]:
    status = file.stat()
    return status.st_mtime_ns, status.st_size


@cache
def _file_digest(file: Path, stamp: tuple[int, int]) -> str:
    """The cached digest of a file. `stamp` changes when the file is replaced, so it is read again."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def digests(paths: Iterable[Path]) -> dict[str, str]:
    return {str(path.relative_to(workspace.ROOT)): digest_of(path) for path in paths}


def _done(name: str) -> bool:
    path = checkpoint_path(name)
    return path.exists() and bool(torch.load(path, map_location="cpu", weights_only=False, mmap=True).get("done"))


def state_of(stage: Stage) -> str:
    """One of `up to date`, `inputs changed`, `unfinished`, `to do`, and `made by itself` (no record of the inputs)."""
    made = all(map(_done, stage.checkpoints)) and all(map(digest_of, stage.makes))
    if not stage.record.exists():
        begun = any(map(digest_of, _checkpoints(*stage.checkpoints)))
        return "made by itself" if made and stage.trusted else "unfinished" if begun else "to do"
    if json.loads(stage.record.read_text())["inputs"] != digests(stage.inputs):
        return "inputs changed"
    return "up to date" if made else "unfinished"


def _keep(stage: Stage, seconds: float) -> None:
    stage.record.parent.mkdir(parents=True, exist_ok=True)
    record = {"command": stage.command, "inputs": digests(stage.inputs), "seconds": round(seconds, 1)}
    stage.record.write_text(json.dumps(record, indent=1))


def _begin_anew(stage: Stage) -> None:
    """Set the checkpoints aside, and delete what was cached from them."""
    for path in filter(Path.exists, _checkpoints(*stage.checkpoints)):
        path.replace(path.with_suffix(".before.pt"))
    if stage.name == "vae":
        (workspace.WORK / "latents.pt").unlink(missing_ok=True)
    stage.record.unlink()


def run(stage: Stage) -> None:
    state = state_of(stage)
    if state == "made by itself":
        _keep(stage, 0)
    if state in ("up to date", "made by itself"):
        print(f"{stage.name}: up to date", flush=True)
        return
    if lacking := [path.name for path in stage.inputs if not digest_of(path)]:
        raise SystemExit(f"{stage.name}: {', '.join(lacking)} not there yet: run the stages before it")
    if state == "inputs changed":
        _begin_anew(stage)
    print(f"{stage.name}: {state}; python -m {stage.command}", flush=True)
    start = time.monotonic()
    finished = subprocess.run([sys.executable, "-m", *stage.command.split()], cwd=workspace.ROOT, check=False)
    if finished.returncode != 0:
        raise SystemExit(f"{stage.name}: ended with {finished.returncode}, see above; run it again to go on")
    _keep(stage, time.monotonic() - start)
    print(f"{stage.name}: done in {(time.monotonic() - start) / 60:.1f} min", flush=True)


def main() -> None:
    table = {stage.name: stage for stage in stages()}
    parser = argparse.ArgumentParser(prog="python -m training")
    parser.add_argument("--list", action="store_true", help="show the stages and where they stand")
    parser.add_argument("stage", nargs="*", help=f"only these: {', '.join(table)}")
    options = parser.parse_args()
    if unknown := [name for name in options.stage if name not in table]:
        raise SystemExit(f"no stage {', '.join(unknown)}; there are {', '.join(table)}")
    for name in options.stage or table:
        if options.list:
            print(f"{name:18}{state_of(table[name]):16}python -m {table[name].command}")
        else:
            run(table[name])


if __name__ == "__main__":
    main()
