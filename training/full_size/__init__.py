"""Test subjects of full size: the published systems' networks with random weights, for Core ML and for torch."""
