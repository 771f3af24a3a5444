"""Tracking: all that talks to MLflow. A run's record, its journal on disk, past runs, the leaderboard."""
