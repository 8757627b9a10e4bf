"""Conditions: what each slot must show. One file a plug-in, named as in recipes."""
