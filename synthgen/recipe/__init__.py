"""Recipes: YAML text into one validated value, with every problem found at once."""
