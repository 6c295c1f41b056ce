"""Links and commands that reproduce a comparison. They hold all its settings in readable form.

`?prompt=a+red+apple&models=a,b&seeds=7&steps=20&...` works on every server that has the models. With `job` in front, a
server that stores the comparison shows its result; any other fills its form. A link holds nothing about a person or a
machine.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from urllib.parse import urlencode

from bksdm_demo.errors import RequestError
from bksdm_demo.parameters.partial_request import PartialRequest, interval
from bksdm_demo.parameters.profiles import with_profile
from bksdm_demo.records import WHOLE, Job, Request
from bksdm_demo.wording.comparison import interval_text

JOB, SHEET = "job", "sheet"  # what a link shows, each by its id
BASELINE, FILTER, SORT, ONLY = "baseline", "filter", "sort", "only"  # how it shows a sheet
PROFILE = "profile"  # options that save evaluations, by name
VOTE = "vote"  # the sheet to vote on
LANG = "lang"  # the language of the page
OF_SHEETS = (SHEET, BASELINE, FILTER, SORT, ONLY, VOTE)
LONGEST_VALUE = 20_000  # characters of one value in a link
ADDED = ("fbclid", "gclid", "logs", "msclkid", "ref", "view")  # parameters that sites and browsers put into links
ADDED_PREFIXES = ("_", "utm_")
NUMBER = re.compile(r"[+-]?\d{1,12}")

NAMES = {  # a setting of Request -> its parameter in the query
    "prompt": "prompt",
    "negative_prompt": "negative",
    "steps": "steps",
    "guidance_scale": "guidance",
    "scheduler": "scheduler",
    "generator": "generator",
    "guidance_interval": "guidance_interval",
    "forecast": "forecast",
    "deep_every": "deep_every",
}


def job_query(job: Job, *, with_job: bool = True) -> str:
    """Return the query that reproduces a job, with its id first unless `with_job` is false."""
    query = request_query(job.request, job.models, job.seeds)
    return f"{urlencode({JOB: job.id})}&{query}" if with_job else query


def request_query(request: Request, models: Sequence[str], seeds: Sequence[int] = ()) -> str:
    """ "prompt=...&models=...", with every setting, so that the defaults of another version change nothing.

    Options that save evaluations are there if they are on.
    """
    listed = ",".join(str(seed) for seed in seeds or (request.seed,))
    values = {NAMES[name]: _text(value) for name, value in request.fields().items() if name in NAMES}
    if not request.negative_prompt:
        del values["negative"]
    return urlencode({**values, "models": ",".join(models), "seeds": listed}, safe=",:")


def read_query(parameters: Mapping[str, str], known_models: Collection[str]) -> PartialRequest:
    """Return the partial request of a query. Unknown parameters and wrong values become notes."""
    given = {key: value for key, value in parameters.items() if value.strip()}
    partial = PartialRequest()
    for name, key in NAMES.items():
        if len(given.get(key, "")) > LONGEST_VALUE:
            partial = partial.note(f"{key} is longer than {LONGEST_VALUE} characters and was left out.")
        elif key in given:
            partial = partial.setting(name, _value(name, given[key]))
    if PROFILE in given:
        partial = _with_profile(partial, given[PROFILE].strip())
    if "seeds" in given:
        partial = partial.with_seeds([_whole(word) for word in _listed(given["seeds"])])
    return _with_models(_with_unknown(partial, given), _listed(given.get("models", "")), known_models)


def _with_unknown(partial: PartialRequest, given: Collection[str]) -> PartialRequest:
    """Name the parameters that say nothing here, but those that sites and browsers add."""
    names = (*NAMES.values(), PROFILE, "models", "seeds")
    unknown = [key for key in given if key not in (*names, JOB, LANG, *OF_SHEETS) and not _added(key.lower())]
    if not unknown:
        return partial
    near = get_close_matches(unknown[0].lower(), (*names,), 1, 0.7)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    listed = ", ".join(repr(key[:60]) for key in unknown[:8])
    return partial.note(f"The link has parameters that this page does not know and left out: {listed}.{hint}")


def _with_profile(partial: PartialRequest, profile: str) -> PartialRequest:
    try:
        return with_profile(partial, profile)
    except RequestError as error:
        return partial.note(str(error))


def _added(name: str) -> bool:
    return name in ADDED or name.startswith(ADDED_PREFIXES)


def _with_models(partial: PartialRequest, named: Sequence[str], known: Collection[str]) -> PartialRequest:
    chosen = tuple(dict.fromkeys(key for key in named if key in known))
    unknown = [key[:60] for key in dict.fromkeys(named) if key not in known]
    if unknown:
        partial = partial.note(f"Not available here and left out: {', '.join(unknown[:8])}.")
    return replace(partial, models=chosen)


def _value(name: str, text: str) -> object:
    if name in ("steps", "deep_every"):
        return _whole(text)
    if name == "guidance_interval":
        return interval(text)
    if name == "forecast":
        return {"on": True, "off": False}.get(text.strip().lower(), text[:60])
    if name == "guidance_scale":
        try:
            return float(text)
        except ValueError:
            return text[:60]
    return text


def _whole(text: str) -> object:
    """Return the text as a whole number; any other text stays text, and Request refuses it by name."""
    word = text.strip()
    return int(word) if NUMBER.fullmatch(word) else word[:60]


def _listed(text: str) -> list[str]:
    return [word.strip() for word in text[:LONGEST_VALUE].split(",") if word.strip()]


def _text(value: object) -> str:
    if isinstance(value, tuple):
        return interval_text(value)
    if isinstance(value, bool):
        return "on" if value else "off"
    return repr(value) if isinstance(value, float) else str(value)


def job_address(base_url: str, job: Job, *, with_job: bool = True) -> str:
    """Return the link to a job on the page at `base_url`; "" if that is no web address."""
    base = base_url.strip().split("#")[0].split("?")[0]
    if not base.startswith(("http://", "https://")):
        return ""
    return f"{base}?{job_query(job, with_job=with_job)}"


def job_command(job: Job) -> str:
    """Return the command that draws the same pictures on a machine with these models, for a POSIX shell."""
    request, precision = job.request, str(job.environment.get("precision", "auto"))
    words = ["python", "-m", "bksdm_demo", "compare"]
    words += ["--models", ",".join(job.models), "--seeds", ",".join(map(str, job.seeds))]
    words += ["--steps", str(request.steps), "--guidance", _text(request.guidance_scale)]
    words += ["--scheduler", request.scheduler, "--rng", request.generator]
    if request.guidance_interval != WHOLE:
        words += ["--guidance-interval", interval_text(request.guidance_interval)]
    words += ["--forecast"] if request.forecast else []
    words += ["--deep-every", str(request.deep_every)] if request.deep_every != 1 else []
    words += ["--precision", precision] if precision != "auto" else []
    words += [f"--negative={request.negative_prompt}"] if request.negative_prompt else []
    return shlex.join([*words, "--out", "comparison", "--", request.prompt])
