"""Samplers: diffusion models that draw data fields for slots. One file a plug-in, named as in recipes."""
