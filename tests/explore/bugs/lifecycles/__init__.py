"""Connecting, reconnecting, subscribing, ending: things that should happen once."""
