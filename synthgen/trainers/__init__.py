"""Trainers: parts that make a model from real data. One sub-package a kind of data, named as in recipes."""
