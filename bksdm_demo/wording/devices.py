"""Where a part runs, in words: the shares of the processors in Core ML's plan, and what trials of units found."""

from __future__ import annotations

from collections.abc import Mapping

from bksdm_demo.languages import say
from bksdm_demo.phrase_book import translated


def devices_text(devices: Mapping[str, Mapping[str, float]]) -> str:
    """ "Neural Engine 90 %, CPU 10 %": by estimated cost, or by operations where no cost is known; "" if unknown."""
    shares = devices.get("cost") or devices.get("operations") or {}
    ordered = sorted(shares.items(), key=lambda share: (-share[1], share[0]))
    return ", ".join(f"{device} {percent(share)}" for device, share in ordered if share > 0)


def percent(share: float) -> str:
    """ "90 %", and "under 1 %" for a share that would round to nothing."""
    return say("under 1 %") if 0 < share < 0.005 else f"{share:.0%}".replace("%", " %")


def trials_text(self_check: float | None, refused: Mapping[str, str]) -> str:
    """ "agrees with CPU only to 61.2 dB; cpu-and-gpu refused: its result is not finite"; "" if nothing was found."""
    found = [] if self_check is None else [say("agrees with CPU only to {decibels} dB", decibels=f"{self_check:.1f}")]
    refusals = (
        say("{units} refused: {reason}", units=units, reason=translated(reason)) for units, reason in refused.items()
    )
    return "; ".join([*found, *refusals])
