"""Evaluation: what is scored on which images, while it trains and afterwards."""
