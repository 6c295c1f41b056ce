"""Torch networks out of the shipped packages: where the composing family's training starts.

    python -m training.scenes.recover

Inverts coreml_unet.py and coreml_parts.py: names are rewritten back, projections lose their 1x1 axes, and the norms,
which the converter renames, are taken in the order of execution. A palette's weights come back as floats of 6 bits.
Writes the checkpoints `shipped-original` (U-Net and text encoder) and `shipped-decoder`, and compares each network with
its package.
"""

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from bksdm_demo.mil.model import read_model
from bksdm_demo.mil.program import Constant
from training import networks, tokenizer, vae
from training.coreml_unet import CoreUnet
from training.workspace import EMOJI, load_checkpoint, log, save_checkpoint

PREFIX = "Stable_Diffusion_version_emoji"
ENDINGS = ("_to_fp16_palettized", "_to_fp16", "")


class Weights:
    """The constants of a package, by the names that the traced network had, and its norms in order of execution."""

    def __init__(self, package: Path) -> None:
        self._constants = read_model(package).constants
        self._norms = iter([name for name in self._constants if name.endswith("gamma_0_to_fp16")])

    def __contains__(self, name: str) -> bool:
        return any(name + ending in self._constants for ending in ENDINGS)

    def __getitem__(self, name: str) -> Tensor:
        found: Constant = next(self._constants[name + end] for end in ENDINGS if name + end in self._constants)
        return torch.from_numpy(found.array().astype("float32"))

    def next_norm(self) -> tuple[Tensor, Tensor]:
        """The scale and the shift of the norm that runs next."""
        name = next(self._norms).removesuffix("gamma_0_to_fp16")
        return self[name + "gamma_0"], self[name + "beta_0"]


def _fill(parameter: Tensor, value: Tensor, name: str) -> None:
    if parameter.numel() != value.numel():
        raise SystemExit(f"{name}: the package has {tuple(value.shape)}, the network {tuple(parameter.shape)}")
    parameter.data.copy_(value.view_as(parameter))


def _fill_layer(layer: nn.Module, weights: Weights, name: str) -> None:
    _fill(layer.weight, weights[f"{name}_weight"], name)
    if layer.bias is not None:
        _fill(layer.bias, weights[f"{name}_bias"], name) if f"{name}_bias" in weights else nn.init.zeros_(layer.bias)


def _fill_norm(norm: nn.Module, weights: Weights) -> None:
    scale, shift = weights.next_norm()
    _fill(norm.weight, scale, "norm")
    _fill(norm.bias, shift, "norm")


def _fill_resnet(module: nn.Module, weights: Weights, name: str, shortcut: str) -> None:
    _fill_norm(module.norm1, weights)
    _fill_layer(module.conv1, weights, f"{name}_conv1")
    if module.time_emb_proj is not None:
        _fill_layer(module.time_emb_proj, weights, f"{name}_time")
    _fill_norm(module.norm2, weights)
    _fill_layer(module.conv2, weights, f"{name}_conv2")
    if module.conv_shortcut is not None:
        _fill_layer(module.conv_shortcut, weights, f"{name}_{shortcut}")


def _fill_transformer(module: nn.Module, weights: Weights, name: str) -> None:
    (block,) = module.transformer_blocks
    _fill_norm(module.norm, weights)
    _fill_layer(module.proj_in, weights, f"{name}_proj_in")
    for number, attention in ((1, block.attn1), (2, block.attn2)):
        _fill_norm(block.norm1 if number == 1 else block.norm2, weights)
        for part in ("to_q", "to_k", "to_v"):
            _fill_layer(getattr(attention, part), weights, f"{name}_attn{number}_{part}")
        _fill_layer(attention.to_out[0], weights, f"{name}_attn{number}_to_out")
    _fill_norm(block.norm3, weights)
    _fill_layer(block.ff.net[0].proj, weights, f"{name}_gate")
    _fill_layer(block.ff.net[2], weights, f"{name}_out")
    _fill_layer(module.proj_out, weights, f"{name}_proj_out")


def _stages(network: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    yield from ((f"downs_{place}", block) for place, block in enumerate(network.down_blocks))
    if network.mid_block is not None:
        yield "mid", network.mid_block
    yield from ((f"ups_{place}", block) for place, block in enumerate(network.up_blocks))


def unet(name: str) -> nn.Module:
    """The shipped U-Net `original`, `base`, `small` or `tiny`."""
    network = networks.unet(name)
    weights = Weights(EMOJI / f"emoji-{name}" / f"{PREFIX}-{name}_unet.mlpackage")
    _fill_layer(network.time_embedding.linear_1, weights, "time1")
    _fill_layer(network.time_embedding.linear_2, weights, "time2")
    _fill_layer(network.conv_in, weights, "conv_in")
    for stage, block in _stages(network):
        attentions = getattr(block, "attentions", None) or []
        for place, resnet in enumerate(block.resnets):
            _fill_resnet(resnet, weights, f"{stage}_resnets_{place}", "shortcut")
            if place < len(attentions):
                _fill_transformer(attentions[place], weights, f"{stage}_attentions_{place}")
        for sampler in (getattr(block, "downsamplers", None), getattr(block, "upsamplers", None)):
            if sampler:
                _fill_layer(sampler[0].conv, weights, f"{stage}_{'down' if 'down' in stage else 'up'}")
    _fill_norm(network.conv_norm_out, weights)
    _fill_layer(network.conv_out, weights, "conv_out")
    return network.eval()


def text_encoder() -> nn.Module:
    """The shipped text encoder."""
    network = networks.text_encoder(len(tokenizer.load()))
    weights = Weights(EMOJI / "shared" / f"{PREFIX}_text_encoder.mlpackage")
    model = getattr(network, "text_model", network)
    _fill(model.embeddings.token_embedding.weight, weights["tokens_weight"], "tokens")
    _fill(model.embeddings.position_embedding.weight, weights["positions"], "positions")
    for place, layer in enumerate(model.encoder.layers):
        name = f"layers_{place}"
        _fill_layer(layer.layer_norm1, weights, f"{name}_norm1")
        _fill_layer(layer.layer_norm2, weights, f"{name}_norm2")
        for part in ("q_proj", "k_proj", "v_proj", "out_proj"):
            _fill_layer(getattr(layer.self_attn, part), weights, f"{name}_attention_{part}")
        _fill_layer(layer.mlp.fc1, weights, f"{name}_mlp_fc1")
        _fill_layer(layer.mlp.fc2, weights, f"{name}_mlp_fc2")
    _fill_layer(model.final_layer_norm, weights, "norm")
    return network.eval()


def decoder() -> nn.Module:
    """An autoencoder with the shipped decoder; its encoder is not shipped, so that is untrained."""
    torch.manual_seed(0)
    network = vae.build()
    weights = Weights(EMOJI / "shared" / f"{PREFIX}_vae_decoder.mlpackage")
    part = network.decoder
    _fill_layer(network.post_quant_conv, weights, "post_quant_conv")
    _fill_layer(part.conv_in, weights, "decoder_conv_in")
    stages = [("decoder_mid_block", part.mid_block)]
    stages += [(f"decoder_up_blocks_{place}", block) for place, block in enumerate(part.up_blocks)]
    for stage, block in stages:
        for place, resnet in enumerate(block.resnets):
            _fill_resnet(resnet, weights, f"{stage}_resnets_{place}", "conv_shortcut")
        if getattr(block, "upsamplers", None):
            _fill_layer(block.upsamplers[0].conv, weights, f"{stage}_upsamplers_0_conv")
    _fill_norm(part.conv_norm_out, weights)
    _fill_layer(part.conv_out, weights, "decoder_conv_out")
    return network.eval()


def original() -> nn.ModuleDict:
    """The shipped original as it was trained: {"unet", "text"}."""
    return nn.ModuleDict({"unet": unet("original"), "text": text_encoder()})


@torch.no_grad()
def compare(pair: nn.ModuleDict, autoencoder: nn.Module) -> None:
    """Log how well every network agrees with its package, which runs in float32, in dB."""
    from training.verify import decibel, run  # the packages' runtime, needed only here

    ids = tokenizer.encode(tokenizer.load(), ["red apple", "two cats"])
    hidden = pair["text"](ids).last_hidden_state
    latents = torch.randn(2, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    shared, name = EMOJI / "shared", "emoji-original"
    found = run(shared, "emoji_text_encoder", input_ids=ids[1:])["last_hidden_state"]
    values = [f"text encoder {decibel(hidden[1:], found):.1f}"]
    found = run(shared, "emoji_vae_decoder", z=latents[:1])["image"]
    values.append(f"decoder {decibel(autoencoder.decode(latents[:1]).sample, found):.1f}")
    core = CoreUnet(pair["unet"]).eval()
    for step in (951, 501, 101):
        inputs = {"sample": latents, "timestep": torch.tensor([step, step]).float()}
        inputs["encoder_hidden_states"] = hidden.transpose(1, 2)[:, :, None]
        found = run(EMOJI / name, f"{name}_unet", **inputs)["noise_pred"]
        predicted = pair["unet"](latents, torch.tensor([step, step]), hidden).sample
        rewritten = decibel(core(*inputs.values()), found)
        values.append(f"U-Net at {step} {decibel(predicted, found):.1f} (as exported {rewritten:.1f})")
    log("recover", ", ".join(values) + " dB")


def main() -> None:
    pair, autoencoder = original(), decoder()
    if not load_checkpoint("shipped-original"):
        save_checkpoint("shipped-original", {"average": pair.state_dict(), "done": True})
    if not load_checkpoint("shipped-decoder"):
        save_checkpoint("shipped-decoder", {"model": autoencoder.state_dict(), "done": True})
    compare(pair, autoencoder)


if __name__ == "__main__":
    main()
