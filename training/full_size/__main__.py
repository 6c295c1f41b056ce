"""Make the test subjects, each in a process of its own so that its memory is given back.

    python -m training.full_size [KEY ...] [--attention original]

Without keys: everything. A subject that is up to date is skipped; files appear whole or not at all.
"""

import argparse
import subprocess
import sys

from training.coreml_unet import ATTENTIONS

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
    options = parser.parse_args()
    unknown = sorted(set(options.keys) - set(ORDER))
    if unknown:
        parser.error(f"unknown: {', '.join(unknown)}; known are {', '.join(ORDER)}")
    if len(options.keys) == 1:
        make(options.keys[0], options.attention)
        return
    extra = ["--attention", options.attention] if options.attention else []
    for key in options.keys or ORDER:
        subprocess.run([sys.executable, "-m", "training.full_size", key, *extra], check=True)


def make(key: str, attention: str | None) -> None:
    from training.full_size import make as making
    from training.full_size import modules, systems, vocabulary

    if key in systems.SYSTEMS:
        making.make_system(systems.SYSTEMS[key], attention)
        return
    if key == "text_encoder":
        vocabulary.write(systems.SHARED)
    making.make_part(modules.PARTS[key])


if __name__ == "__main__":
    main()
