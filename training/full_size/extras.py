"""The other forms that published systems come in: a U-Net in two chunks, a compiled folder, its zip archive."""

import os
import shutil
import zipfile
from pathlib import Path

import coremltools as ct

from bksdm_demo.mil.compiled_writer import write_compiled
from training.full_size.modules import PARTS
from training.full_size.systems import FOLDER, SHARED, System
from training.workspace import log

STAGE = "full_size"
COMPILED_NAMES = {"text_encoder": "TextEncoder", "vae_decoder": "VAEDecoder", "safety_checker": "SafetyChecker"}
LITTER = ".DS_Store"


def chunk(system: System) -> None:
    """KEY/chunked/..._unet_chunk1.mlpackage and 2, cut after half of the weights' bytes."""
    target = system.folder / "chunked"
    if target.exists():
        return
    partial = system.folder / "partial-chunked"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    ct.models.utils.bisect_model(str(system.package()), str(partial), check_output_correctness=False)
    os.replace(partial, target)
    log(STAGE, f"{system.key}: chunks {[round(_bytes(path) / 1e6) for path in sorted(target.iterdir())]} MB")


def compile_system(system: System) -> Path:
    """KEY/Resources: the system as a compiled folder; weights are hard links to the packages', if possible."""
    target = system.folder / "Resources"
    if target.exists():
        return target
    partial = system.folder / "partial-Resources"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    write_compiled(system.package(), partial / "Unet.mlmodelc")
    for name, compiled in COMPILED_NAMES.items():
        write_compiled(PARTS[name].package, partial / f"{compiled}.mlmodelc")
    for name in ("vocab.json", "merges.txt"):
        shutil.copyfile(SHARED / name, partial / name)
    os.replace(partial, target)
    log(STAGE, f"{system.key}: {target.name}, {_bytes(target) / 1e6:.0f} MB")
    return target


def zip_system(system: System) -> None:
    """full_size/coreml-KEY.zip as archivers on a Mac write it: one folder deep, with their litter."""
    source, name = compile_system(system), f"coreml-{system.key}"
    target = FOLDER / f"{name}.zip"
    if target.exists():
        return
    partial = FOLDER / f"partial-{name}.zip"
    with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr(f"{name}/{LITTER}", b"\0\0\0\1Bud1" + bytes(6140))
        for file in sorted(path for path in source.rglob("*") if path.is_file()):
            inside = file.relative_to(source).as_posix()
            archive.write(file, f"{name}/{inside}")
            archive.writestr(f"__MACOSX/{name}/{_fork(inside)}", b"\0\5\x16\7\0\2\0\0Mac OS X        " + bytes(152))
    os.replace(partial, target)
    log(STAGE, f"{target.name}: {target.stat().st_size / 1e6:.0f} MB")


def _fork(inside: str) -> str:
    """The path for the resource fork of a file: the same folder, the name after a dot and an underscore."""
    path = Path(inside)
    return (path.parent / f"._{path.name}").as_posix()


def _bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
