"""Optimizers, learning-rate schedules and the regularization of weights."""
