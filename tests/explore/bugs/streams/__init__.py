"""Byte streams, datagrams and descriptors: short reads, shared readers, dropped bytes."""
