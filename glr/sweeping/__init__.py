"""Sweeps: each job in a process of its own, several at a time; what is finished is skipped. Knows nothing of Hydra."""
