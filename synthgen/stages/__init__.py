"""Stages around a generation: the model that is trained before it, the evaluation after it."""
