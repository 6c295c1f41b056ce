"""ComfyUI's graphs: its own default one, links to follow, circles, and graphs that no form can say."""

from __future__ import annotations

from typing import Any

import pytest

from bksdm_demo.errors import RequestError
from bksdm_demo.parameters.other_programs.comfyui import is_graph, read_comfyui
from bksdm_demo.parameters.other_programs.stated import Stated


def node(kind: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": kind, "inputs": inputs}


GRAPH = {
    "3": node(
        "KSampler",
        **{"seed": 42, "steps": 20, "cfg": 8, "sampler_name": "euler", "scheduler": "normal", "denoise": 1},
        **{"model": ["4", 0], "positive": ["6", 0], "negative": ["7", 0], "latent_image": ["5", 0]},
    ),
    "4": node("CheckpointLoaderSimple", ckpt_name="dream.ckpt"),
    "5": node("EmptyLatentImage", width=512, height=512, batch_size=1),
    "6": node("CLIPTextEncode", text="a red fox", clip=["4", 1]),
    "7": node("CLIPTextEncode", text="blurry", clip=["4", 1]),
    "9": node("SaveImage", images=["8", 0]),
}
STATED = Stated("ComfyUI", "a red fox", "blurry", 20, 8, 42, "euler", "normal", "torch", "dream.ckpt")


def test_the_default_graph() -> None:
    assert is_graph(GRAPH)
    assert read_comfyui(GRAPH) == STATED


def test_links_are_followed() -> None:
    sampler = node("KSampler", **{**GRAPH["3"]["inputs"], "seed": ["20", 0], "positive": ["21", 0], "model": ["23", 0]})
    linked = {
        **GRAPH,
        "3": sampler,
        "20": node("PrimitiveInt", value=42),
        "21": node("ConditioningCombine", conditioning_1=["22", 0]),
        "22": node("CLIPTextEncode", text=["24", 0]),
        "23": node("LoraLoader", model=["4", 0], lora_name="x"),
        "24": node("PrimitiveString", value="a red fox"),
    }
    assert read_comfyui(linked) == Stated(**{**vars(STATED), "others": ("LoraLoader",)})


def test_a_part_of_a_run_is_named() -> None:
    sampler = node("KSampler", **{**GRAPH["3"]["inputs"], "denoise": 0.5})
    assert read_comfyui({**GRAPH, "3": sampler}).others == ("denoise",)


@pytest.mark.parametrize("samplers", [0, 2])
def test_another_number_of_samplers_is_refused(samplers: int) -> None:
    graph = {key: value for key, value in GRAPH.items() if key != "3"}
    graph |= {f"a{number}": GRAPH["3"] for number in range(samplers)}
    with pytest.raises(RequestError, match=f"{samplers} KSampler nodes"):
        read_comfyui(graph)


@pytest.mark.parametrize("link", [["6", 0], ["99", 0], [], [[]], [None], {}, 5, None, "text", ["6"]])
def test_circles_and_broken_links_end(link: Any) -> None:
    graph = {**GRAPH, "6": node("CLIPTextEncode", text=link)}
    assert read_comfyui(graph).prompt == (link if isinstance(link, str) else None)


@pytest.mark.parametrize("value", [None, [], {}, {"a": 1}, {"a": {}}, "text"])
def test_other_values_are_no_graphs(value: Any) -> None:
    assert not is_graph(value)
