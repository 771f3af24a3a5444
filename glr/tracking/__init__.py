"""MLflow: the store, a run's record in it, and the parent run of a sweep. Nothing else in glr talks to MLflow."""
