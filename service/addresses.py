"""Which addresses mean this machine alone."""

import ipaddress


def is_loopback(host: str) -> bool:
    """Whether a host name or address literal (IPv6 with or without brackets) means this machine only."""
    name = host.strip("[]").rstrip(".").lower()
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
