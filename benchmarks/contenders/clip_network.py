"""A CLIP network of transformers on torch, in float32, that scores pictures for benchmarks/clip_score.py."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from PIL import Image
from transformers import CLIPImageProcessorPil, CLIPModel, CLIPTokenizer


class ClipNetwork:
    """A CLIP network with its tokenizer and preprocessing, by name or folder. Raises OSError where it cannot be had."""

    def __init__(self, clip: str) -> None:
        self._network = CLIPModel.from_pretrained(clip).eval().requires_grad_(False)
        self._tokenizer = CLIPTokenizer.from_pretrained(clip)
        self._processor = CLIPImageProcessorPil.from_pretrained(clip)

    @torch.inference_mode()
    def score(self, pictures: Sequence[Image.Image], prompts: Sequence[str]) -> list[float]:
        """The cosine of each picture with its own prompt, at least 0. Words after CLIP's limit do not count."""
        length = self._network.config.text_config.max_position_embeddings
        texts = self._tokenizer(list(prompts), padding=True, truncation=True, max_length=length, return_tensors="pt")
        pixels = self._processor([picture.convert("RGB") for picture in pictures], return_tensors="pt")
        given = {name: texts[name] for name in ("input_ids", "attention_mask")}
        embedded = self._network(**given, pixel_values=pixels["pixel_values"])
        cosines = (embedded.image_embeds * embedded.text_embeds).sum(-1)  # both of length 1
        scores: list[float] = cosines.clamp(min=0).tolist()
        return scores
