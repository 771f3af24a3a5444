"""Tracking: all that talks to MLflow. A run's record, its journal on disk, past runs, the leaderboard."""

import os

# MLflow's telemetry changes os.environ in a thread, and `requests` fails when it reads os.environ in that moment: a record
# is not sent, for no other reason. A user who wants it sets the variable to false.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
