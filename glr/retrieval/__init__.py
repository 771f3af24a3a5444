"""Retrieval: descriptors, exact search, and the metrics of the Google Landmark tasks."""
