"""Exporters: a finished dataset in the folder layouts that other tools expect. One file a format."""
