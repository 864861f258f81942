"""Looking at running threads from outside: the process's one watchman, and what it looks for."""
