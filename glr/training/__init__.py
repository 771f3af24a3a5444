"""Training: the step that is compiled, and the loop around it."""
