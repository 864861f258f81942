"""Who waits for what: the report of a deadlock, and a wait in a few words."""
