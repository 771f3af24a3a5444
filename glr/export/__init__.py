"""The command `export`: a run or an ensemble as a SavedModel that needs nothing of glr, with its model card."""
