"""Models: networks, diffusion pipelines, the registry that loads them, and the starters that ship with the package."""
