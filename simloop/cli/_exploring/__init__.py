"""The commands ``explore`` and ``replay``."""
