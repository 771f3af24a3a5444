"""Data: sources, preparation into TFRecord shards, input pipelines, and the CSVs of solutions and predictions."""
