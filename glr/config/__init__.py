"""Configuration: the schemas, the check that no typo survives, and the command line around Hydra."""
