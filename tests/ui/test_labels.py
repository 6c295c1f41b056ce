"""Shared facts are listed once, the others at each model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from bksdm_demo.library.layout import Parts
from bksdm_demo.records import Cell, Phase
from bksdm_demo.ui.labels import job_labels
from tests.ui.records import SYSTEMS, done, job, system

WEIGHTS = {"weights": "6-bit palettized", "attention": "split_einsum_v2"}
PAIR = {"a": system("a", "Alpha", **WEIGHTS), "b": replace(system("b", "Beta", **WEIGHTS), size_bytes=9_000_000)}


def parts(name: str) -> Parts:
    here = Path(".")
    return Parts(here / "t.mlpackage", (here / f"{name}.mlpackage",), here / "v.mlpackage", here / "v", here / "m")


def test_shared_facts_are_listed_once() -> None:
    labels = job_labels(job(Cell("a"), Cell("b")), PAIR)
    assert labels.shared == (("Weights", "6-bit palettized"), ("Attention", "split_einsum_v2"), ("Runs on", "…"))
    assert labels.own == {"a": ("12.1 MB on disk",), "b": ("9.00 MB on disk",)}


def test_a_fact_that_one_model_lacks_is_not_shared() -> None:
    systems = PAIR | {"b": replace(PAIR["b"], attention="")}
    labels = job_labels(job(done("a"), done("b")), systems)
    assert labels.shared == (("Weights", "6-bit palettized"), ("Runs on", "fake"))
    assert labels.own["a"] == ("12.1 MB on disk", "split_einsum_v2")


def test_a_single_model_keeps_its_size_at_its_cell() -> None:
    labels = job_labels(job(done("a")), SYSTEMS)
    assert labels.own == {"a": ("U-Net 13.0 M weights", "12.1 MB on disk")}
    assert labels.shared == (("Runs on", "fake"),)


def test_an_unknown_model_has_the_facts_in_its_results() -> None:
    labels = job_labels(job(done("gone"), done("lost", engine="coreml")), {})
    assert labels.own["gone"] == ("fake",)
    assert labels.shared == (("Size", "12.1 MB on disk"),)


def test_the_models_to_come_run_as_the_first_did() -> None:
    """So the heading and the captions keep their height while pictures come."""
    running = job(done("a"), Cell("b"))
    assert ("Runs on", "fake") in job_labels(running, PAIR).shared
    waiting = job(Cell("a"), Cell("b"), environment={"engine": "openvino"})
    assert ("Runs on", "OpenVINO") in job_labels(waiting, PAIR).shared
    failed = job(done("a"), Cell("b", Phase.FAILED))
    assert ("Runs on", "fake") in job_labels(failed, PAIR).shared
    mixed = job(done("a"), done("b", engine="coreml"), Cell("c"))
    assert [job_labels(mixed, SYSTEMS).own[model][-1] for model in "ab"] == ["fake", "Core ML"]


def test_the_precision_of_each_unet_is_found_even_if_all_share_a_name() -> None:
    """Compiled systems all call their U-Net "Unet"; only their folders differ."""
    systems = {key: replace(PAIR[key], parts=parts(f"models/{key}/Unet")) for key in PAIR}
    ran = {"parts": {"a/Unet": {"precision": "f32"}, "b/Unet": {"precision": "bf16"}, "aa/Unet": {"precision": "int8"}}}
    labels = job_labels(job(done("a"), done("b"), environment=ran), systems)
    assert labels.own["a"][-1] == "fake, f32"
    assert labels.own["b"][-1] == "fake, bf16"
    labels = job_labels(job(done("a"), done("b"), environment={"parts": {"c/Unet": {"precision": "f32"}}}), systems)
    assert ("Runs on", "fake") in labels.shared


def test_processors_are_shown_where_core_ml_has_a_plan() -> None:
    systems = {key: replace(PAIR[key], parts=parts(f"models/{key}/Unet")) for key in PAIR}
    mode = {"compute_units": "cpu-and-ne", "devices": {"cost": {"CPU": 0.04, "Neural Engine": 0.96}}}
    labels = job_labels(job(done("a", engine="coreml"), done("b"), environment={"parts": {"a/Unet": mode}}), systems)
    assert labels.own["a"][-1] == "Core ML, cpu-and-ne: Neural Engine 96 %, CPU 4 %"
    assert labels.own["b"][-1] == "fake"


def test_the_requested_precision_is_shown_if_the_engine_reported_none() -> None:
    cells = [done(model, engine="openvino") for model in ("a", "b")]
    for requested, label in {"int8": "OpenVINO, int8", "auto": "OpenVINO"}.items():
        labels = job_labels(job(*cells, environment={"precision": requested}), PAIR)
        assert ("Runs on", label) in labels.shared
