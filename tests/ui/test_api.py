"""The endpoints for programs, asked through gradio_client over the wire, and the README's example as it stands."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError

from bksdm_demo.runs.comparisons import Comparisons
from tests.fakes import BLOCKED_WORD, FAMILY
from tests.ui.test_page import SECONDS, served

MODELS = list(FAMILY[:2])
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
    assert set(named) == {"/compare", "/job", "/cancel", "/report", "/models"}
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
        ({"seeds": [[1]]}, "seeds must be whole numbers"), ({"steps": 999}, "steps is 999"),
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
