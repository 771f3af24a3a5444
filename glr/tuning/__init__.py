"""Tuning: Optuna's search over ranges of settings; unpromising trials are stopped."""
