"""Algorithms on images, maps and objects, without networks."""
