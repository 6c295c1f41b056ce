"""OpenVINO's (oneDNN's) matrix product with constant weights, packed once, as in a network."""

from __future__ import annotations

import numpy as np
import openvino as ov
from openvino import opset13 as ops

from benchmarks.contenders.matrix import Peak, Product


class OpenVinoPeak(Peak):
    def products(self, rows: int, columns: int, inner: int) -> list[Product]:
        source = np.random.default_rng(0)
        left = source.standard_normal((rows, inner), dtype=np.float32)
        right = source.standard_normal((columns, inner), dtype=np.float32)
        parameter = ops.parameter([rows, inner], ov.Type.f32)
        model = ov.Model([ops.matmul(parameter, ops.constant(right), False, True)], [parameter])
        settings = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": self.precision,
            "INFERENCE_NUM_THREADS": self.threads,
        }
        request = ov.Core().compile_model(model, "CPU", settings).create_infer_request()
        return [lambda: request.infer([left], share_inputs=True, share_outputs=True)]
