"""What a process has beside: threads, signals, and its collector of garbage."""
