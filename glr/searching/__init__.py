"""Searching: ranges of settings explored by Optuna, and hopeless runs stopped. Optuna is imported by a search only."""
