"""Readers of images: files of any mode into arrays, folders by class, captions."""
