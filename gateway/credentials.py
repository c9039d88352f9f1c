"""What a hospital's archive wants to know of us, sealed: the database alone, or a copy of it, opens nothing."""

from __future__ import annotations

import secrets
from base64 import b64decode, b64encode
from dataclasses import dataclass, field
from typing import Final, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from gateway.installation import Secrets
from gateway.site_words import BadPeer

NONCE_BYTES: Final = 12
LONGEST: Final = 8192  # characters of a token; more does not go into a header


class Unopened(Exception):
    """These credentials were sealed by another installation, or for another address: they must be entered again."""


def authorization(user: str, secret: str) -> str:
    """The Authorization header for a user and password (RFC 7617), or for a token alone (RFC 6750); "" for neither.

    Raises BadPeer.
    """
    if not user and not secret:
        return ""
    if not secret or len(secret) > LONGEST or ":" in user or not (user + secret).isprintable():
        raise BadPeer("Enter a user (without “:”) and its password, or no user and a token.")
    if user:
        return f"Basic {b64encode(f'{user}:{secret}'.encode()).decode()}"
    if not secret.isascii() or " " in secret:
        raise BadPeer("A token has plain characters without spaces. With a password, enter its user, too.")
    return f"Bearer {secret}"


@dataclass(frozen=True, slots=True)
class Safe:
    """Seals and opens with a key that is made from DIR/secrets.json."""

    _cipher: AESGCM = field(repr=False)

    @classmethod
    def of(cls, known: Secrets) -> Self:
        """The safe of one installation."""
        derived = HKDF(SHA256(), 32, None, b"overread credentials of archives")
        return cls(AESGCM(derived.derive(known.session_key.encode())))

    def seal(self, text: str, base_url: str) -> str:
        """Seal for one address; "" stays ""."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        sealed = nonce + self._cipher.encrypt(nonce, text.encode(), base_url.encode())
        return b64encode(sealed).decode() if text else ""

    def open(self, sealed: str, base_url: str) -> str:
        """What was sealed for this address. Raises Unopened."""
        if not sealed:
            return ""
        content = b64decode(sealed)
        try:
            return self._cipher.decrypt(content[:NONCE_BYTES], content[NONCE_BYTES:], base_url.encode()).decode()
        except InvalidTag as error:
            raise Unopened from error
