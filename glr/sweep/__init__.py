"""Sweeps: one process per job, several at a time; retries, progress tables, and the parent run in MLflow."""
