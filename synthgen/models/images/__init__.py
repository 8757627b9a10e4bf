"""Networks and pipelines of images: diffusion models, classifiers, detectors, segmenters."""
