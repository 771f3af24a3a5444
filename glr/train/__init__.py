"""The command `train`: train and score the run that a config describes; continue it from its checkpoints."""
