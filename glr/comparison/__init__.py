"""Comparison: the tables of studies, from what their runs logged. No TensorFlow here."""
