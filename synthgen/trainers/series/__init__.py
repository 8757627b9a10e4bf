"""The trainer of diffusion models of time series."""
