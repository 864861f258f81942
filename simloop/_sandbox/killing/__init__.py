"""What is left of a process that was killed: how its code ends without running."""
