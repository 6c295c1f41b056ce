"""The endpoints for programs, asked through gradio_client over the wire, and the README's example as it stands."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError

from bksdm_demo.diffusion.prompt_gate import PROMPT_BLOCKED
from bksdm_demo.runs.comparisons import Comparisons
from tests.fakes import BLOCKED_WORD, FAMILY, REFUSED_WORD
from tests.ui.test_page import SECONDS, served

MODELS = list(FAMILY[:2])
ENDPOINTS = {
    *("compare", "job", "cancel", "report", "models"),
    *("sheet", "sheet_state", "lab", "lab_result"),
    *("vote_pools", "vote_pair", "vote", "leaderboard"),
}
JSON = {"content-type": "application/json"}
README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Comparisons]]:
    with served(tmp_path_factory.mktemp("api")) as running:
        yield running


@pytest.fixture(scope="module")
def client(site: tuple[str, Comparisons]) -> Client:
    return Client(site[0], verbose=False)


def test_only_these_endpoints_are_documented(client: Client) -> None:
    named = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    assert set(named) == {f"/{name}" for name in ENDPOINTS}
    parameters = {entry["parameter_name"]: entry for entry in named["/compare"]["parameters"]}
    assert parameters["seeds"]["python_type"]["type"] == "None | list[int]"
    assert "dpmpp-2m-karras" in parameters["scheduler"]["python_type"]["type"]


def test_compare_waits_and_returns_everything(client: Client, site: tuple[str, Comparisons]) -> None:
    job = client.predict(prompt="red apple", models=MODELS, seeds=[3, 4], steps=2, api_name="/compare")
    assert (job["state"], job["position"], job["models"], job["seeds"]) == ("finished", 0, MODELS, [3, 4])
    assert job["request"]["guidance_scale"] == 3.0  # what the miniatures recommend
    assert [cell["phase"] for cell in job["columns"]] == ["done"] * 4
    for cell in job["columns"]:
        assert cell["result"]["seconds"]["total"] > 0
        assert httpx.get(cell["picture"]).content.startswith(b"\x89PNG")
    assert job["url"].startswith(f"{site[0]}?job={job['id']}&prompt=red+apple")
    assert httpx.get(job["url"]).status_code == 200
    again = client.predict(id=job["id"], api_name="/job")
    assert {**again, "expires": None} == {**job, "expires": None}  # set once the job has ended


def test_a_blocked_picture_has_no_address(client: Client) -> None:
    job = client.predict(prompt=BLOCKED_WORD, models=MODELS, steps=2, api_name="/compare")
    assert {cell["phase"] for cell in job["columns"]} == {"blocked"}
    assert {cell["picture"] for cell in job["columns"]} == {None}


def test_a_prompt_that_is_not_drawn_says_so_and_has_no_times(client: Client) -> None:
    job = client.predict(prompt=REFUSED_WORD, models=MODELS, steps=2, api_name="/compare")
    for cell in job["columns"]:
        assert (cell["phase"], cell["message"], cell["picture"]) == ("blocked", PROMPT_BLOCKED, None)
        assert cell["result"]["verdict"]["reason"] == PROMPT_BLOCKED
        assert set(cell["result"]["seconds"].values()) == {None}
        assert cell["result"]["step_seconds"] == []


def test_without_waiting_a_job_is_polled_and_cancelled(tmp_path: Path) -> None:
    gate = threading.Event()
    with served(tmp_path, {"unet": {"run_gate": gate}}) as (address, comparisons):
        client = Client(address, verbose=False)
        wanted = {"prompt": "red apple", "models": MODELS, "steps": 150, "wait": False}
        first = client.predict(**wanted, api_name="/compare")
        second = client.predict(**wanted, api_name="/compare")
        assert (second["state"], second["position"]) == ("queued", 1)
        assert client.predict(id=second["id"], api_name="/cancel")["state"] == "finished"
        assert client.predict(id=first["id"], api_name="/cancel")["cancelled"]
        gate.set()
        *_, job = comparisons.watch(first["id"])
        assert job.finished


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"prompt": " "}, "The prompt is empty"), ({"models": []}, "No model is chosen"),
        ({"models": ["nothing"]}, "There is no model called"), ({"models": "emoji-tiny"}, "models must be a list"),
        ({"seeds": [[1]]}, "seeds must be a list of whole numbers"), ({"seeds": 5}, "seeds must be a list"),
        ({"seeds": {"a": 1}}, "seeds must be a list"), ({"seeds": [True]}, "seeds must be a list"),
        ({"wait": "no"}, "wait must be true or false"), ({"models": {"a": 1}}, "models must be a list"),
        ({"prompt": ["x"]}, "prompt must be text"), ({"negative_prompt": 5}, "negative_prompt must be text"),
        ({"steps": "x" * 90_000}, "steps must be a whole number, not 'xxx"),
        ({"guidance_scale": [1]}, "guidance_scale must be a number"), ({"generator": {}}, "generator is {}"),
        ({"steps": 999}, "steps is 999"),
        ({"seeds": [-1]}, "seed is -1"), ({"scheduler": "best"}, "scheduler is 'best'"),
    ],
)  # fmt: skip
def test_a_refused_request_is_a_sentence(client: Client, changes: dict[str, object], words: str) -> None:
    with pytest.raises(AppError, match=re.escape(words)):
        client.predict(**({"prompt": "red apple", "models": MODELS} | changes), api_name="/compare")


def test_unknown_ids_and_kinds_are_sentences(client: Client) -> None:
    for endpoint in ("/job", "/cancel", "/report"):
        with pytest.raises(AppError, match="There is no comparison with this id"):
            client.predict(id="unheard-of", api_name=endpoint)
    job = client.predict(prompt="red apple", models=MODELS[:1], steps=2, api_name="/compare")
    with pytest.raises(AppError, match="no report of kind 'exe'"):
        client.predict(id=job["id"], kind="exe", api_name="/report")


@pytest.mark.parametrize("kind", ["html", "zip", "csv", "json"])
def test_reports_are_files_to_save(client: Client, kind: str) -> None:
    job = client.predict(prompt="red apple", models=MODELS[:1], steps=2, api_name="/compare")
    answer = httpx.get(client.predict(id=job["id"], kind=kind, api_name="/report"), timeout=SECONDS)
    assert answer.status_code == 200
    assert re.fullmatch(rf'attachment; filename="comparison-[\d-]+\.{kind}"', answer.headers["content-disposition"])
    assert answer.headers["content-security-policy"] == "sandbox"


def test_no_report_of_an_unknown_comparison(site: tuple[str, Comparisons]) -> None:
    for name in ("unheard-of.html", "unheard-of", ".html"):
        assert httpx.get(f"{site[0]}reports/{name}").status_code == 404


NO_IDS = (None, 5, True, ["x"], {"a": 1}, "a\0b", "\ud83d", "x" * 5000)


@pytest.mark.parametrize("value", NO_IDS)
@pytest.mark.parametrize("endpoint", ["job", "cancel", "report"])
def test_what_is_no_id_is_a_sentence(
    site: tuple[str, Comparisons], endpoint: str, value: object, capfd: pytest.CaptureFixture[str]
) -> None:
    body = json.dumps({"data": [value, *(["html"] if endpoint == "report" else [])]})
    answer = httpx.post(f"{site[0]}gradio_api/run/{endpoint}", content=body, headers=JSON)
    expected = "There is no comparison with this id" if isinstance(value, str) else "id must be a string, not"
    assert expected in answer.json()["error"]
    assert "Traceback" not in "".join(capfd.readouterr())


@pytest.mark.parametrize("path", ["reports/a%00b.html", "reports/{id}.%00", "reports/%ED%A0%80.html", "reports/%FF.zip",
                                  "pictures/a%00b/x.png", "pictures/{id}/x%00.png", "pictures/{id}/preview/%00.png",
                                  "similarity/%00", "similarity/{id}?reference=%00", "news/board/%00"])  # fmt: skip
def test_addresses_with_what_no_name_holds_are_not_found(
    client: Client, site: tuple[str, Comparisons], path: str
) -> None:
    job = client.predict(prompt="red apple", models=MODELS[:1], steps=2, api_name="/compare")
    answer = httpx.get(site[0] + path.format(id=job["id"]))
    assert answer.status_code == 404
    assert answer.text.endswith(".")


def test_half_an_emoji_is_drawn_and_sent_to_everybody(site: tuple[str, Comparisons]) -> None:
    body = json.dumps({"data": ["cat \ud83d", MODELS[:1], [7], 1, None, None, "numpy", "\udc00\0", True]})
    answer = httpx.post(f"{site[0]}gradio_api/run/compare", content=body, headers=JSON, timeout=SECONDS)
    (job,) = answer.json()["data"]
    assert (job["request"]["prompt"], job["request"]["negative_prompt"]) == ("cat \ufffd", "\ufffd\ufffd")
    assert httpx.get(f"{site[0]}reports/{job['id']}.html", timeout=SECONDS).status_code == 200


def test_models_are_listed_with_their_settings(client: Client) -> None:
    models = {model["key"]: model for model in client.predict(api_name="/models")}
    assert set(FAMILY) <= set(models)
    assert models["emoji-tiny"]["available"]
    assert models["emoji-tiny"]["guidance_scale"] == 3.0


def test_the_example_of_the_readme_runs(
    site: tuple[str, Comparisons], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (example,) = re.findall(r"```python\n(.*?gradio_client.*?)```", README, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    exec(example.replace("http://127.0.0.1:7860/", site[0]), {})
    printed = capsys.readouterr().out
    assert printed.count("pictures/") == 4
    assert "<!doctype html" in (tmp_path / "comparison.html").read_text(encoding="utf-8").lower()


def test_a_program_for_an_earlier_version_may_leave_the_last_values_out(site: tuple[str, Comparisons]) -> None:
    body = {"data": ["red apple", MODELS[:1], [7], 1, None, None, "numpy", "", True]}
    (job,) = httpx.post(f"{site[0]}gradio_api/run/compare", json=body, timeout=SECONDS).json()["data"]
    assert not {"guidance_interval", "forecast", "deep_every"} & job["request"].keys()


def test_options_that_save_evaluations_are_taken_and_told(client: Client) -> None:
    job = client.predict(
        "red apple", MODELS[:1], steps=3, guidance_interval="0:0.5", forecast=True, api_name="/compare"
    )
    assert (job["request"]["guidance_interval"], job["request"]["forecast"]) == ([0.0, 0.5], True)
