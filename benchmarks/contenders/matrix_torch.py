"""torch's matrix products: `matmul`, and `linear` with its weights the other way round."""

from __future__ import annotations

import torch

from benchmarks.contenders.matrix import Peak, Product
from benchmarks.contenders.networks import DTYPES


class TorchPeak(Peak):
    def products(self, rows: int, columns: int, inner: int) -> list[Product]:
        torch.set_num_threads(self.threads)
        dtype = DTYPES[self.precision]
        left, right = torch.randn(rows, inner).to(dtype), torch.randn(inner, columns).to(dtype)
        turned = right.t().contiguous()
        return [lambda: left @ right, lambda: torch.nn.functional.linear(left, turned)]
