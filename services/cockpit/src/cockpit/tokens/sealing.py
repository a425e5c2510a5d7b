"""Encrypts registration tokens (Fernet: AES-128-CBC with HMAC-SHA256). No I/O."""

from cryptography.fernet import Fernet, InvalidToken


class Sealer:
    """Seals with one key; text that another key sealed can't be opened."""

    def __init__(self, key: str) -> None:
        """``key`` is a Fernet key: 32 bytes in URL-safe Base64. Raises ``ValueError`` for any other."""
        self._fernet = Fernet(key)

    def seal(self, text: str) -> bytes:
        """Encrypt ``text``."""
        return self._fernet.encrypt(text.encode())

    def open(self, sealed: bytes) -> str | None:
        """What was sealed; None if it was sealed with another key, or changed."""
        try:
            return self._fernet.decrypt(sealed).decode()
        except InvalidToken:
            return None
