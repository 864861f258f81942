"""Sets of objects in one order: hashes by number instead of by address, for which classes."""
