"""Trainers of image models: diffusion models, and networks that classify, detect and segment."""
