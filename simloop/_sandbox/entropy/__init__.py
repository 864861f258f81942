"""Entropy inside a run: the operating system's, and that of generators that libraries share."""
