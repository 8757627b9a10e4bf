"""Readers of images whose objects are marked by masks."""
