"""Scorers: parts that add numbers for keep rules to read. One file a plug-in, named as in recipes."""
