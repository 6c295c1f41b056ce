"""Makes the test subjects, each in a process of its own, so its memory is returned.

    python -m training.full_size [KEY ...] [--attention original] [--chunk] [--zip] [--verify]

Without keys: everything. A subject that is up to date is skipped; files appear whole or not at all.
"""

import argparse
import os
import subprocess
import sys

from training.coreml_unet import ATTENTIONS

# for glibc: maps arrays from 1 MiB on, so they are returned; in its heap, a conversion would leave 3 GB of holes
MAPPED = "MALLOC_MMAP_THRESHOLD_"
ORDER = (
    "bk-sdm-tiny-2m",
    "vae_decoder",
    "text_encoder",
    "safety_checker",
    "bk-sdm-small-2m",
    "bk-sdm-base-2m",
    "small-sd-v0",
    "sd-v1-4-palettized",
    "vae_encoder",
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m training.full_size", description=__doc__.splitlines()[0])
    parser.add_argument("keys", nargs="*", metavar="KEY", help=", ".join(ORDER))
    parser.add_argument("--attention", choices=ATTENTIONS, help="another attention than the published, for U-Nets")
    parser.add_argument("--verify", action="store_true", help="compare with torch instead; the packages must be there")
    parser.add_argument("--chunk", action="store_true", help="also the U-Net in two chunks")
    parser.add_argument("--zip", action="store_true", help="also the compiled folder of the system and its archive")
    options = parser.parse_args()
    unknown = sorted(set(options.keys) - set(ORDER))
    if unknown:
        parser.error(f"unknown: {', '.join(unknown)}; known are {', '.join(ORDER)}")
    environment = {**os.environ, MAPPED: str(2**20)}
    command = [sys.executable, "-m", "training.full_size"]
    if len(options.keys) != 1:
        flags = [word for word in sys.argv[1:] if word not in options.keys]
        for key in options.keys or ORDER:
            subprocess.run([*command, key, *flags], env=environment, check=True)
    elif MAPPED in os.environ:
        do(options.keys[0], options)
    else:
        os.execve(sys.executable, [*command, *sys.argv[1:]], environment)


def do(key: str, options: argparse.Namespace) -> None:
    """Make everything that was requested for one key."""
    from training.full_size import extras, make, modules, systems, verify, vocabulary

    system, part = systems.SYSTEMS.get(key), modules.PARTS.get(key)
    if options.verify:
        if system:
            verify.verify_system(system, options.attention)
        elif part:
            verify.verify_part(part)
    elif system:
        make.make_system(system, options.attention)
        if options.chunk:
            extras.chunk(system)
        if options.zip:
            extras.zip_system(system)
    elif part:
        if key == "text_encoder":
            vocabulary.write(systems.SHARED)
        make.make_part(part)


if __name__ == "__main__":
    main()
