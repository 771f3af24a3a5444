"""Tracking: all code that talks to MLflow, for a run's records and journal, past runs and the leaderboard."""

import os

# MLflow's telemetry changes os.environ in a thread. A request that iterates over os.environ at that moment fails, which
# delays a record for no reason. A user who wants telemetry sets the variable to false.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
