"""The version of the distribution ``simloop-engine``, its one place."""

__version__ = "0.1.0"
