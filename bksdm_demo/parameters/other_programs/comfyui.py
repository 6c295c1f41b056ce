"""ComfyUI's graph in its `prompt` chunk: which nodes drew the picture, each with a class and inputs.

Read is a graph with one sampling node, from which the texts and the model are followed along the links. A graph with
several, or none, draws in ways that no form of settings can say.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from bksdm_demo.errors import RequestError
from bksdm_demo.parameters.other_programs.stated import Stated

PROGRAM = "ComfyUI"
SAMPLERS = ("KSampler", "KSamplerAdvanced")
TEXTS = ("text", "string", "value", "text_g")  # inputs that hold a text
WAYS = ("conditioning", "conditioning_1", "text", "string", "value", "model")  # inputs to follow
LONGEST_WAY = 100  # nodes
WHOLE_RUN = {"denoise": (1,), "start_at_step": (0,), "return_with_leftover_noise": ("disable",)}
ADDITIONS = ("lora", "controlnet", "ipadapter")  # parts of the classes of nodes that change a picture

Graph = Mapping[str, Any]


def is_graph(value: Any) -> bool:
    """Whether a JSON value is such a graph."""
    return isinstance(value, Mapping) and any(
        isinstance(node, Mapping) and "class_type" in node for node in value.values()
    )


def read_comfyui(graph: Graph) -> Stated:
    """Return what a graph with one sampling node states. Raises RequestError for another number of them."""
    samplers = [node for node in graph.values() if isinstance(node, Mapping) and node.get("class_type") in SAMPLERS]
    if len(samplers) != 1:
        raise RequestError(
            f"This picture holds a ComfyUI graph with {len(samplers)} KSampler nodes. This demo reads graphs with one. "
            "Type its prompt instead."
        )
    inputs = _inputs(samplers[0])
    sampler = {name: inputs.get(name) for name in ("sampler_name", "scheduler")}
    return Stated(
        program=PROGRAM,
        prompt=_follow(graph, inputs.get("positive"), TEXTS),
        negative_prompt=_follow(graph, inputs.get("negative"), TEXTS),
        steps=_literal(graph, inputs.get("steps")),
        guidance_scale=_literal(graph, inputs.get("cfg")),
        seed=_literal(graph, inputs.get("seed", inputs.get("noise_seed"))),
        sampler=str(_literal(graph, sampler["sampler_name"]) or ""),
        schedule=str(_literal(graph, sampler["scheduler"]) or ""),
        noise="torch",  # it draws the noise on the CPU, by PyTorch
        model=str(_follow(graph, inputs.get("model"), ("ckpt_name", "unet_name")) or ""),
        others=tuple(_others(graph, inputs)),
    )


def _others(graph: Graph, inputs: Mapping[str, Any]) -> Iterator[str]:
    yield from (name for name, plain in WHOLE_RUN.items() if name in inputs and inputs[name] not in plain)
    classes = [str(node.get("class_type")) for node in graph.values() if isinstance(node, Mapping)]
    yield from dict.fromkeys(name for name in classes if any(part in name.lower() for part in ADDITIONS))


def _inputs(node: Any) -> Mapping[str, Any]:
    inputs = node.get("inputs") if isinstance(node, Mapping) else None
    return inputs if isinstance(inputs, Mapping) else {}


def _literal(graph: Graph, value: Any) -> Any:
    """Return a value that stands in the node itself, or in the one that it is linked to."""
    if not isinstance(value, list):
        return value if isinstance(value, str | int | float) else None
    inputs = _target(graph, value)
    return next((inputs[name] for name in ("seed", "value") if isinstance(inputs.get(name), str | int | float)), None)


def _follow(graph: Graph, link: Any, wanted: tuple[str, ...]) -> str | None:
    """Return the first text named `wanted` on the way along the links; None if there is none."""
    for _ in range(LONGEST_WAY):
        inputs = _target(graph, link)
        for name in wanted:
            if isinstance(inputs.get(name), str):
                return str(inputs[name])
        link = next((inputs[name] for name in WAYS if isinstance(inputs.get(name), list)), None)
        if link is None:
            return None
    return None


def _target(graph: Graph, link: Any) -> Mapping[str, Any]:
    """Return the inputs of the node that a link [node, output] names."""
    if not isinstance(link, list) or not link or not isinstance(link[0], str | int):
        return {}
    return _inputs(graph.get(str(link[0])))
