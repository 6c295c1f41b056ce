"""The safety checker: image embedding, cosines against concept embeddings, thresholds; flagged pictures turn black.

The mechanism is SD v1's (Rando et al., arXiv 2210.04610): a concept is present when its cosine passes its threshold; a
special-care concept that passes its own threshold lowers all the others by 0.01. `adjustment` makes both stricter.
"""

from dataclasses import dataclass

from torch import Tensor, nn

SPECIAL_ADJUSTMENT = 0.01


@dataclass(frozen=True)
class Concepts:
    """Unit embeddings [K, E] and cosine thresholds [K]."""

    embeddings: Tensor
    thresholds: Tensor


def unit(x: Tensor) -> Tensor:
    return x / x.norm(dim=-1, keepdim=True).clamp(min=1e-6)


class CoreChecker(nn.Module):
    """clip_input [1, 3, 224, 224], images [1, H, W, 3] in [0, 1], adjustment [1] -> images, flag [1], scores [1, K]."""

    def __init__(self, vision: nn.Module, concepts: Concepts, special: Concepts) -> None:
        super().__init__()
        self.vision = vision
        for name, group in (("concept", concepts), ("special", special)):
            self.register_buffer(f"{name}_embeddings", group.embeddings)
            self.register_buffer(f"{name}_thresholds", group.thresholds)

    def forward(self, clip_input: Tensor, images: Tensor, adjustment: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        embedding = unit(self.vision(clip_input).image_embeds)  # [1, E]
        special = embedding @ self.special_embeddings.t() - self.special_thresholds + adjustment
        careful = (special > 0).float().amax(dim=1, keepdim=True)  # [1, 1]
        scores = embedding @ self.concept_embeddings.t() - self.concept_thresholds
        scores = scores + adjustment + careful * SPECIAL_ADJUSTMENT
        flagged = (scores > 0).float().amax(dim=1)  # [1]
        return images * (1 - flagged[:, None, None, None]), flagged, scores
