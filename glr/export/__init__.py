"""The command `export`: a run or an ensemble as a SavedModel that runs without glr, with its model card."""
