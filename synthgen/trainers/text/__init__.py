"""Trains models of texts."""
