"""Sockets of the UNIX family: streams, packets and datagrams on one host, and their names."""
