"""Configuration: schemas, the check of every setting, and the command line around Hydra."""
