"""Compare Core ML text-to-image pipelines side by side, on a Mac and anywhere else."""

__version__ = "0.1.0"
