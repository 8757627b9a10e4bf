"""Readers of time series: tables into recordings, recordings into windows."""
