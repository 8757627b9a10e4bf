"""Datasets on disk: how shards are committed, sealed and verified, and how samples are read back."""
