"""Compare Core ML text-to-image pipelines side by side, on a Mac and anywhere else."""

import sys

__version__ = "0.1.0"

# OpenVINO tells Google Analytics of every import of it, through this package; where it is absent, it stays silent.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
