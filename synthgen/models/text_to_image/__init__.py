"""Pipelines of text-to-image diffusion: families, adapters, prompts and attention."""
