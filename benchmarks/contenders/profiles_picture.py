"""Whole pictures of one loaded pipeline with each profile: exact, fast, draft."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from benchmarks.contenders.picture import Picture
from bksdm_demo.parameters.profiles import profile_options


class ProfilesPicture(Picture):
    """As Picture; `draw_with` draws and checks one picture with a profile. The first use of one loads its forms."""

    def draw_with(self, profile: str) -> NDArray[np.uint8]:
        """The picture uint8 [H, W, 3]."""
        pipeline = self._pipeline
        assert pipeline is not None, "prepare() first"
        request = replace(self._request, **profile_options(profile))
        *_, last = pipeline.steps(request, pipeline.encode(request))
        image = pipeline.decode(last.latents)
        pipeline.check(image)
        return image
