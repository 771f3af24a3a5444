"""Retrieval: descriptors, exact nearest neighbours, retrieval sets, and the metrics of their tasks."""
