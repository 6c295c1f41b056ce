"""Test subjects of full size: the published systems' networks with random weights, as Core ML packages and for torch."""
