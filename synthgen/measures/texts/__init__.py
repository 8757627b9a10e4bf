"""Measures of datasets of texts: use for a task, diversity, copies, and likeness to real texts."""
