"""What one connection may take, and how many there may be."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes in bytes, times in seconds; all for one receiving process."""

    pdu_bytes: int = 262_144
    request_bytes: int = 65_536
    object_bytes: int = 4 << 30
    message_bytes: int = 16 << 20
    """Of a message that is no C-STORE: the references of a storage commitment are the largest."""
    pdu_seconds: float = 30.0
    least_bytes_per_second: int = 8_192
    request_seconds: float = 10.0
    """From the connection, with its TLS handshake, to the end of the association request."""
    strangers: int = 256
    """Connections whose AE title is not known yet; beyond it, the oldest one of the most crowded address is ended."""
    strangers_per_address: int = 32
    associations_per_address: int = 48
