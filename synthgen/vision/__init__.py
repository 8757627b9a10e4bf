"""Algorithms on pictures, maps and objects, without networks."""
