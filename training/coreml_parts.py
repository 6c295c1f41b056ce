"""The text encoder and the autoencoder's decoder as Core ML takes them: fixed shapes, no branches."""

import math

import torch
from diffusers import AutoencoderKL
from torch import Tensor, nn
from transformers import CLIPTextModel


class TextLayer(nn.Module):
    """One transformer layer with causal attention, the computation of CLIP's encoder layer."""

    def __init__(self, layer: nn.Module, heads: int, mask: Tensor) -> None:
        super().__init__()
        self.attention, self.mlp = layer.self_attn, layer.mlp
        self.norm1, self.norm2 = layer.layer_norm1, layer.layer_norm2
        self.heads = heads
        self.register_buffer("mask", mask)

    def _split(self, projected: Tensor) -> Tensor:
        batch, length, width = projected.shape
        return projected.view(batch, length, self.heads, width // self.heads).transpose(1, 2)  # [1, heads, 77, d]

    def forward(self, x: Tensor) -> Tensor:
        normed = self.norm1(x)
        query = self._split(self.attention.q_proj(normed))
        key = self._split(self.attention.k_proj(normed))
        value = self._split(self.attention.v_proj(normed))
        scores = query @ key.transpose(-1, -2) * (1 / math.sqrt(query.shape[-1])) + self.mask
        mixed = (scores.softmax(dim=-1) @ value).transpose(1, 2).flatten(2)  # [1, 77, width]
        x = x + self.attention.out_proj(mixed)
        hidden = self.mlp.fc1(self.norm2(x))
        return x + self.mlp.fc2(hidden * torch.sigmoid(1.702 * hidden))


class CoreTextEncoder(nn.Module):
    """input_ids float32 [1, 77] -> last_hidden_state [1, 77, D], pooled_outputs [1, D] at the first highest id."""

    def __init__(self, model: CLIPTextModel) -> None:
        super().__init__()
        model = getattr(model, "text_model", model)
        length, heads = model.config.max_position_embeddings, model.config.num_attention_heads
        mask = torch.full((length, length), -1e4).triu(1)[None, None]  # [1, 1, 77, 77]
        self.tokens = model.embeddings.token_embedding
        self.register_buffer("positions", model.embeddings.position_embedding.weight.data[None, :length].clone())
        self.layers = nn.ModuleList(TextLayer(layer, heads, mask) for layer in model.encoder.layers)
        self.norm = model.final_layer_norm

    def forward(self, input_ids: Tensor) -> tuple[Tensor, Tensor]:
        ids = input_ids.to(torch.int32)
        x = self.tokens(ids) + self.positions
        for layer in self.layers:
            x = layer(x)
        x = self.norm(x)
        return x, x[torch.arange(1), ids.argmax(dim=-1)]


class CoreDecoder(nn.Module):
    """z [1, 4, 16, 16] -> image [1, 3, 128, 128] in [-1, 1]."""

    def __init__(self, vae: AutoencoderKL) -> None:
        super().__init__()
        self.post_quant_conv, self.decoder = vae.post_quant_conv, vae.decoder

    def forward(self, z: Tensor) -> Tensor:
        return self.decoder(self.post_quant_conv(z))
