"""Evaluation: numbers that say whether a dataset is any good for its task, with the spread over seeds."""
