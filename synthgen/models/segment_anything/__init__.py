"""Segment Anything: the network, and the converter of official checkpoints."""
