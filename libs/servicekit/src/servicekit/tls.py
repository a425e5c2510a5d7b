"""How an outgoing HTTPS connection trusts the other side."""

import ssl
from functools import cache

import httpx


@cache
def trusted_certificates() -> ssl.SSLContext:
    """httpx's own, with ``SSL_CERT_FILE`` and ``SSL_CERT_DIR``: one for all clients of the process.

    Every client without it reads all certificates again, which takes 40 ms of CPU.
    """
    return httpx.create_ssl_context()
