"""Where things are: addresses, the table of names, the names of services, and who holds a port."""
