"""Caches and tokens: stampedes, stale values, and failures that are shared."""
