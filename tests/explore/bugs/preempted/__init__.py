"""Threads that lose the processor between a check and what is done about it."""
