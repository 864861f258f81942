"""Pools and pipelines of connections: what a cancelled request leaves behind."""
