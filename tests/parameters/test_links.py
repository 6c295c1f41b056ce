"""Links hold all settings of a comparison, and a wrong value does not affect the good ones beside it."""

import random
import shlex
from urllib.parse import parse_qs, parse_qsl

import pytest

from bksdm_demo.parameters.links import job_address, job_command, job_query, read_query, request_query
from bksdm_demo.parameters.partial_request import PartialRequest
from bksdm_demo.records import GENERATORS, SAVINGS, SCHEDULERS, SEED_LIMIT, SEEDS_LIMIT, Cell, Job, Request

MODELS = ("emoji-original", "emoji-tiny", "bk-sdm-tiny-2m")
ALPHABET = "aZ 09,;&=+%#?/\\\"'<>\n\t:äß日本語🙂\u200d\u202e"


def read(query: str) -> PartialRequest:
    return read_query(dict(parse_qsl(query, keep_blank_values=True)), MODELS)


def some_request(chance: random.Random) -> Request:
    text = ["x" + "".join(chance.choices(ALPHABET, k=chance.randrange(40))) for _ in range(2)]
    return Request(
        text[0],
        chance.choice(["", text[1]]),
        chance.randrange(SEED_LIMIT),
        chance.randint(1, 150),
        chance.choice([0.0, 7.5, 0.1 + 0.2, 30.0, chance.uniform(0, 30)]),
        chance.choice(SCHEDULERS),
        chance.choice(GENERATORS),
        chance.choice([(0.0, 1.0), (0.0, 0.5), (0.1, 0.1 + 0.2)]),
        chance.choice([False, True]),
    )


@pytest.mark.parametrize("seed", range(100))
def test_a_request_comes_back_as_it_was(seed: int) -> None:
    chance = random.Random(seed)
    request = some_request(chance)
    models = tuple(chance.sample(MODELS, chance.randint(1, 3)))
    seeds = tuple(chance.sample(range(SEED_LIMIT), chance.randint(1, SEEDS_LIMIT)))
    partial = read(request_query(request, models, seeds))
    settings = {
        name: getattr(partial, name) for name in ("prompt", "steps", "guidance_scale", "scheduler", "generator")
    }
    settings |= {name: getattr(partial, name) for name in request.savings}
    assert Request(**settings, negative_prompt=partial.negative_prompt or "", seed=request.seed) == request
    assert all(getattr(partial, name) is None for name in SAVINGS if name not in request.savings)
    assert (partial.models, partial.seeds, partial.notes) == (models, seeds, ())


def test_a_jobs_link_names_the_job_first_and_all_its_seeds() -> None:
    cells = tuple(Cell(model, seed=seed) for seed in (3, 5) for model in MODELS[:2])
    job = Job("abc_-1", Request("a red apple", seed=3), cells)
    query = job_query(job)
    assert query.startswith("job=abc_-1&prompt=a+red+apple&")
    assert parse_qs(query)["models"] == ["emoji-original,emoji-tiny"]
    assert parse_qs(query)["seeds"] == ["3,5"]
    assert "job" not in parse_qs(job_query(job, with_job=False))


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("steps=0", "steps is 0"),
        ("seed=42", "left out: 'seed'. Did you mean 'seeds'?"),
        ("cfg=7&x=1", "left out: 'cfg', 'x'."),
        ("__theme=dark&utm_source=a&fbclid=b&Ref=c&view=api&steps=0", "steps is 0"),
        ("refiner=1&viewer=2&logs=3", "left out: 'refiner', 'viewer'."),
        ("steps=many", "steps must be a whole number, not 'many'"),
        ("guidance=nan", "guidance_scale is nan"),
        ("guidance=x", "guidance_scale must be a number, not 'x'"),
        ("guidance_interval=0.5", "guidance_interval must be two shares of the steps such as 0:0.5, not '0.5'"),
        ("guidance_interval=0.5:0.2", "guidance_interval is 0.5:0.2; both must be between 0 and 1"),
        ("guidance_interval=0:nan", "guidance_interval is 0:nan"),
        ("deep_every=0", "deep_every is 0; it must be between 1 and 10"),
        ("forecast=maybe", "forecast must be true or false, not 'maybe'"),
        ("scheduler=magic", "scheduler is 'magic'"),
        ("seeds=1,-1", "seed is -1"),
        ("seeds=1,99999999999999999999", "seed must be a whole number"),
        ("models=emoji-tiny,nobody", "left out: nobody"),
        (f"prompt={'x' * 20_001}", "prompt is longer than"),
        (f"seeds={','.join(map(str, range(20)))}", "only the first 16 are used"),
    ],
)
def test_a_wrong_value_gets_a_note_and_the_others_stay(query: str, words: str) -> None:
    partial = read(f"negative=grey&{query}")
    (note,) = partial.notes
    assert words in note
    assert partial.negative_prompt == "grey"
    assert len(note) < 200


def test_a_link_without_a_request_gives_an_empty_partial_request() -> None:
    assert read("__theme=dark&prompt=+&models=&unknown=1").empty
    assert not read("seeds=7").empty


def some_job(**environment: str) -> Job:
    cells = tuple(Cell(model, seed=seed) for seed in (7, 8) for model in MODELS[:2])
    return Job("the-id", Request("a red apple", seed=7), cells, environment=environment)


@pytest.mark.parametrize(
    "base", ["https://example.org/a/", "https://example.org/a/?old=1#part", " https://example.org/a/ "]
)
def test_a_link_replaces_the_query_and_fragment_of_the_page(base: str) -> None:
    job = some_job()
    assert job_address(base, job) == f"https://example.org/a/?{job_query(job)}"
    assert job_address(base, job, with_job=False) == f"https://example.org/a/?{job_query(job, with_job=False)}"


@pytest.mark.parametrize(
    "base", ["", "javascript:alert(1)", "data:text/html,x", "file:///etc", "//example.org", "example.org"]
)
def test_only_a_web_address_becomes_a_link(base: str) -> None:
    assert job_address(base, some_job()) == ""


@pytest.mark.parametrize("seed", range(20))
def test_a_command_is_one_line_of_shell_words_with_the_prompt_last(seed: int) -> None:
    request = some_request(random.Random(seed))
    job = Job("id", request, (Cell("a", seed=request.seed),))
    words = shlex.split(job_command(job))
    assert words[:4] == ["python", "-m", "bksdm_demo", "compare"]
    assert words[-2:] == ["--", request.prompt]
    assert (f"--negative={request.negative_prompt}" in words) == bool(request.negative_prompt)


def test_a_command_names_a_precision_other_than_auto() -> None:
    assert "--precision bf16" in job_command(some_job(precision="bf16"))
    assert "--precision" not in job_command(some_job(precision="auto"))
    assert "--precision" not in job_command(some_job())


def test_options_that_save_evaluations_are_named_where_they_are_on() -> None:
    plain = Job("id", Request("apple"), (Cell("a"),))
    assert not {"guidance_interval", "forecast", "deep_every"} & parse_qs(job_query(plain)).keys()
    assert "--forecast" not in job_command(plain)
    request = Request("apple", guidance_interval=(0.25, 1), forecast=True, deep_every=3)
    saving = Job("id", request, (Cell("a"),))
    assert parse_qs(job_query(saving))["guidance_interval"] == ["0.25:1"]
    assert "--guidance-interval 0.25:1 --forecast --deep-every 3" in job_command(saving)
