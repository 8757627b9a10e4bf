"""Algorithms on texts, without networks."""
