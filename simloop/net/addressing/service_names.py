"""The ports that have names: what /etc/services says about the common ones.

Owns: a table, so that a name means the same port on every machine.
"""

from __future__ import annotations

__all__ = ["SERVICES", "port_of", "service_of"]

_BOTH = ("tcp", "udp")

# By name: the port, and the protocols that have it.
SERVICES: dict[str, tuple[int, tuple[str, ...]]] = {
    "echo": (7, _BOTH),
    "discard": (9, _BOTH),
    "daytime": (13, _BOTH),
    "ftp-data": (20, ("tcp",)),
    "ftp": (21, ("tcp",)),
    "ssh": (22, ("tcp",)),
    "telnet": (23, ("tcp",)),
    "smtp": (25, ("tcp",)),
    "time": (37, _BOTH),
    "domain": (53, _BOTH),
    "bootps": (67, ("udp",)),
    "bootpc": (68, ("udp",)),
    "tftp": (69, ("udp",)),
    "http": (80, ("tcp",)),
    "kerberos": (88, _BOTH),
    "pop3": (110, ("tcp",)),
    "sunrpc": (111, _BOTH),
    "nntp": (119, ("tcp",)),
    "ntp": (123, ("udp",)),
    "imap2": (143, ("tcp",)),
    "snmp": (161, _BOTH),
    "ldap": (389, _BOTH),
    "https": (443, _BOTH),
    "submissions": (465, ("tcp",)),
    "syslog": (514, ("udp",)),
    "submission": (587, ("tcp",)),
    "ldaps": (636, _BOTH),
    "imaps": (993, ("tcp",)),
    "pop3s": (995, ("tcp",)),
    "socks": (1080, ("tcp",)),
    "openvpn": (1194, _BOTH),
    "ms-sql-s": (1433, ("tcp",)),
    "mqtt": (1883, _BOTH),
    "nfs": (2049, _BOTH),
    "mysql": (3306, ("tcp",)),
    "sip": (5060, _BOTH),
    "sip-tls": (5061, _BOTH),
    "xmpp-client": (5222, ("tcp",)),
    "mdns": (5353, ("udp",)),
    "postgresql": (5432, ("tcp",)),
    "amqp": (5672, _BOTH),
    "x11": (6000, ("tcp",)),
    "redis": (6379, ("tcp",)),
    "http-alt": (8080, _BOTH),
}

_PORTS: dict[tuple[int, str], str] = {
    (port, protocol): name for name, (port, protocols) in SERVICES.items() for protocol in protocols
}


def port_of(name: str, protocol: str) -> int | None:
    """Return the port of a service, or None.

    >>> port_of("https", "tcp"), port_of("http", "udp")
    (443, None)
    """
    port, protocols = SERVICES.get(name, (0, ()))
    return port if protocol in protocols else None


def service_of(port: int, protocol: str) -> str | None:
    """Return the name of the service at a port, or None."""
    return _PORTS.get((port, protocol))
