"""How a name of the real world comes to mean the world's: patches that are on during runs."""
