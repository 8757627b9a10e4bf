"""Scaffolding: what a folder or a table of real data holds, and the recipes that fit it. One file a kind of data."""
