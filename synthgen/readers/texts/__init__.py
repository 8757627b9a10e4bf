"""Readers of texts: labelled utterances, translation pairs, questions, dialogues, facts and passages."""
