"""Metrics for time series: the published protocol to the letter, and what it does not measure."""
