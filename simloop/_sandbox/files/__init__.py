"""Files inside a run: which times they show."""
