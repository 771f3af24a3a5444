"""Tracking: all that talks to MLflow. A run's record, its journal on disk, past runs, the leaderboard."""

import os

# MLflow's telemetry changes os.environ in a thread. A request that iterates over it in that moment fails, and a record
# waits for no reason. A user who wants telemetry sets the variable to false.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
