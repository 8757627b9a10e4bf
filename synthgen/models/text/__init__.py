"""Texts: records of named segments, their tokens, a masked diffusion network, and its pipeline."""
