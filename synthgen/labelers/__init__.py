"""Labelers: parts that add label fields. One file a plug-in, named as in recipes."""
