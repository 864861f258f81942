"""What a loop does before any I/O: callbacks, tasks, life, driving, reports, executors."""
