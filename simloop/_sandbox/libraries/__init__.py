"""Libraries written in C that have a clock, dice or a look at the machine of their own."""
