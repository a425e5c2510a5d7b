"""An issuer of tokens: its keys behind a URL."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

AUDIENCE, ISSUER = "takaro-agent", "https://issuer.example"


def claims(**changed: Any) -> dict[str, Any]:
    """Those of a good token; a claim that is None is left out."""
    good = {"sub": "ann", "exp": int(time.time()) + 60, "aud": AUDIENCE, "iss": ISSUER}
    return {name: value for name, value in (good | changed).items() if value is not None}


@dataclass(slots=True)
class Issuer:
    """Keys behind a JWKS URL. ``away`` answers 500, ``answer`` replaces the set; answers take ``seconds``."""

    url: str = ""
    away: bool = False
    answer: bytes | None = None
    seconds: float = 0.0
    asked: int = 0
    rsa_key: rsa.RSAPrivateKey = field(default_factory=lambda: rsa.generate_private_key(65537, 2048))
    ec_key: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1())
    )

    def key_list(self) -> list[dict[str, Any]]:
        rsa_key = RSAAlgorithm.to_jwk(self.rsa_key.public_key(), as_dict=True)
        ec_key = ECAlgorithm.to_jwk(self.ec_key.public_key(), as_dict=True)
        return [rsa_key | {"kid": "rsa", "use": "sig"}, ec_key | {"kid": "ec", "use": "sig"}]

    def keys(self) -> bytes:
        return json.dumps({"keys": self.key_list()}).encode()

    def sign(self, kid: str | None = "rsa", algorithm: str = "RS256", **changed: Any) -> str:
        key = self.ec_key if algorithm.startswith("ES") else self.rsa_key
        return jwt.encode(claims(**changed), key, algorithm=algorithm, headers={"kid": kid} if kid else None)


@contextmanager
def serve(issuer: Issuer) -> Iterator[None]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            issuer.asked += 1
            time.sleep(issuer.seconds)
            self.send_response(500 if issuer.away else 200)
            self.end_headers()
            if not issuer.away:
                self.wfile.write(issuer.keys() if issuer.answer is None else issuer.answer)

        def log_message(self, *_: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    issuer.url = f"http://127.0.0.1:{server.server_address[1]}/keys"
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
