"""Networks and pipelines of time series."""
