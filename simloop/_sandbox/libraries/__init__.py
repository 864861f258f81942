"""Libraries written in C that have a clock or dice of their own."""
