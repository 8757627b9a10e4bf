"""Measures of datasets of images: with classes, and with masks."""
