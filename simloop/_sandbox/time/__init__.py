"""Time inside a run: the module ``time``, ``datetime``, and the clocks that waits go by."""
