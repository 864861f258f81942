"""``simloop run``: a program in a world, as a command; once, or twice to compare."""
