"""Builds a pipeline from the parts of a system: opens every part and hands it to its stage; loads nothing yet."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from bksdm_demo.diffusion.pipeline import Pipeline
from bksdm_demo.diffusion.safety import SafetyChecker
from bksdm_demo.diffusion.safety_rules import SafetyRules, read_rules
from bksdm_demo.diffusion.text_encoder import TextEncoder
from bksdm_demo.diffusion.tokenizer import Tokenizer
from bksdm_demo.diffusion.unet import Unet
from bksdm_demo.diffusion.vae import VaeDecoder
from bksdm_demo.engines.base import Engine
from bksdm_demo.library.layout import Parts
from bksdm_demo.library.prediction import read_training

OpenPart = Callable[[Path, bool], Engine]


def assemble(parts: Parts, open_part: OpenPart, rules: SafetyRules | None = None) -> Pipeline:
    """The pipeline of these parts. `open_part(path, exact)` opens one, in float32 if `exact`.

    `rules` judge the prompts of a system that has no safety rules of its own.

    The text encoder and the safety checker run in float32, because they are small and decide much.
    Raises PackageError if the safety checker is missing or the schedule is not supported, and as `open_part` does.
    """
    checker = parts.checker()
    text_encoder = TextEncoder(open_part(parts.text_encoder, True))
    unet = {path: open_part(path, False) for path in parts.unet}
    training = read_training(parts, lambda path: unet[path].metadata)
    return Pipeline(
        tokenizer=Tokenizer(parts.vocab, parts.merges, text_encoder.length),
        text_encoder=text_encoder,
        unet=Unet(list(unet.values())),
        vae=VaeDecoder(open_part(parts.vae_decoder, False)),
        safety=SafetyChecker(open_part(checker, True)),
        training=training,
        rules=rules if parts.safety_rules is None else read_rules(parts.safety_rules),
    )
