"""The command `train`: a run from its config to its scores, with checkpoints from which it continues."""
