"""Whole pictures of one loaded pipeline with each profile: exact, fast, draft."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from benchmarks.contenders.picture import Picture
from bksdm_demo.diffusion.plan import forms
from bksdm_demo.engines.base import Form, FormRunner
from bksdm_demo.parameters.profiles import profile_options


class ProfilesPicture(Picture):
    """As Picture; `draw_with` draws and checks one picture with a profile. The first use of one loads its forms."""

    _loaded: frozenset[Form] = frozenset()

    def draw_with(self, profile: str) -> NDArray[np.uint8]:
        """The picture uint8 [H, W, 3]."""
        pipeline = self._pipeline
        assert pipeline is not None, "prepare() first"
        request = replace(self._request, **profile_options(profile))
        for form in frozenset(forms(request)) - self._loaded:
            for engine in pipeline.unet.engines:
                assert isinstance(engine, FormRunner), f"the engine {engine.kind} has no forms"
                engine.load_form(form)
            self._loaded |= {form}
        *_, last = pipeline.steps(request, pipeline.encode(request))
        image = pipeline.decode(last.latents)
        pipeline.check(image)
        return image
