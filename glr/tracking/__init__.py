"""MLflow: the store, a run's records, past runs, and the parent run of a sweep. No other package talks to MLflow."""
