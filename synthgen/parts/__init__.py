"""Parts: what is asked of a plug-in, one Protocol a role, and how plug-ins are found by name."""
