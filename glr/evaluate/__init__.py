"""The command `evaluate`: scores of a trained run, or of any SavedModel, on a retrieval set."""
