"""Data: sources, preparation into shards, and the pipelines that read them."""
