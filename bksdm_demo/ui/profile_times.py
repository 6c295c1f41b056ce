"""Keeps the words of the profiles' buttons up to date: the seconds that the comparison in the form takes with each.

The seconds come from stored comparisons, as the price of a sheet does, and leave out loading. Where a chosen model was
never timed here, the buttons say the share of the network's time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr

from bksdm_demo.errors import DemoError
from bksdm_demo.evaluation.sheet_cost import known_speeds
from bksdm_demo.languages import say
from bksdm_demo.parameters.profiles import profile_options
from bksdm_demo.records import Request
from bksdm_demo.runs.comparisons import Comparisons
from bksdm_demo.store.contract import MOST_PER_PAGE
from bksdm_demo.ui.form import FIRST_SEED, PROFILE_LABELS, Form, Profiles, choose_seeds, share_words, whole
from bksdm_demo.units import duration

Update = dict[str, Any]


class ProfileTimes:
    """The event of the buttons over one Comparisons service."""

    def __init__(self, comparisons: Comparisons) -> None:
        self._comparisons = comparisons

    def words(self, models: Sequence[str], seeds: str, steps: float, guidance_scale: float) -> tuple[Update, ...]:
        """Return the buttons for these values of the form; unchanged if the form has a wrong value."""
        engine = self._comparisons.environment().get("engine")
        try:
            pictures = len(choose_seeds(FIRST_SEED, True, None, seeds))
            requests = {
                name: Request("any", steps=whole(steps), guidance_scale=guidance_scale, **profile_options(name, engine))
                for name in PROFILE_LABELS
            }
            speeds = known_speeds(self._comparisons.gallery(limit=MOST_PER_PAGE).jobs)
        except DemoError:
            return (gr.skip(),) * len(PROFILE_LABELS)
        known = [speeds[model] for model in models if model in speeds]
        timed = bool(known) and len(known) == len(models)
        return tuple(
            gr.update(
                value=time_words(say(label), pictures * sum(speed.drawing(requests[name]) for speed in known))
                if timed
                else share_words(say(label), requests[name])
            )
            for name, label in PROFILE_LABELS.items()
        )


def time_words(profile: str, seconds: float) -> str:
    """ "Fast, about 2.4 s", "Exact, about 2 min 05 s"."""
    time = say("{seconds} s", seconds=f"{seconds:.1f}") if seconds < 9.95 else duration(round(seconds))
    return say("{profile}, about {time}", profile=profile, time=time)


def wire_profiles(times: ProfileTimes, profiles: Profiles, form: Form, timing: gr.HTML) -> None:
    """Renew the words when the settings unfold, when a value changes that they depend on, and with new `timing`."""
    gr.on(
        [
            profiles.panel.expand,
            form.models.change,
            form.seeds.change,
            form.steps.change,
            form.guidance_scale.change,
            timing.change,
        ],
        times.words,
        inputs=[form.models, form.seeds, form.steps, form.guidance_scale],
        outputs=list(profiles.buttons),
        trigger_mode="always_last",
        show_progress="hidden",
        queue=False,
        api_visibility="private",
    )
