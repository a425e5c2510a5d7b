"""The page ``/login``: plain HTML from here alone, without a script."""

from base64 import b64encode
from hashlib import sha256
from html import escape

from starlette.responses import HTMLResponse

from servicekit.auth import Caller

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 0; background: #f4f4f6; color: #1c1c22 }
main { max-width: 26rem; margin: 12vh auto; padding: 2rem; background: #fff; border-radius: 8px }
h1 { margin: 0 0 1rem; font-size: 1.4rem }
label, input, button { display: block; width: 100%; box-sizing: border-box; font: inherit }
input { margin: .25rem 0 1rem; padding: .5rem; border: 1px solid #777; border-radius: 4px }
button { padding: .6rem; border: 0; border-radius: 4px; background: #4a3fd0; color: #fff; cursor: pointer }
[role=alert] { color: #a3101f }
"""
_HASH = b64encode(sha256(_STYLE.encode()).digest()).decode()

_HEADERS = {
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_HASH}'; img-src data:; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    # Without a referrer, browsers say `Origin: null` when the form is sent.
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>Sign in</title>
  <link rel="icon" href="data:,">
  <style>{style}</style>
</head>
<body>
<main>
<h1>Sign in</h1>
{content}
</main>
</body>
</html>
"""

_PASTE = """<form method="post">
  <label for="secret">Bearer token</label>
  <input id="secret" name="secret" type="password" autocomplete="off" required autofocus>
  <button>Sign in</button>
</form>"""
_WRITE = """<form method="post">
  <label for="secret">Your name, which nobody checks in development</label>
  <input id="secret" name="secret" autocomplete="username" maxlength="255" required autofocus>
  <button>Sign in</button>
</form>"""
_SIGN_OUT = """<form method="post"><button name="signOut" value="1">Sign out</button></form>"""


def render(
    ways: frozenset[str],
    *,
    takaro: str | None = None,
    caller: Caller | None = None,
    can_sign_out: bool = False,
    onward: str | None = None,
    fault: str | None = None,
    status: int = 200,
) -> HTMLResponse:
    """The page for the ways of ``AUTH_MODE``. ``takaro`` is where people sign in to Takaro; ``onward`` is the
    path that they came for; ``can_sign_out``: they signed in here."""
    parts = []
    if fault is not None:
        parts.append(f'<p role="alert">{escape(fault)}</p>')
    if caller is not None:
        parts.append(f"<p>You are signed in as <strong>{escape(caller.name or caller.user_id)}</strong>.</p>")
        if onward is not None:
            parts.append(f'<p><a href="{escape(onward)}">Continue</a></p>')
        if can_sign_out:
            parts.append(_SIGN_OUT)
    else:
        if "dev" in ways:
            parts.append(_WRITE)
        if "jwt" in ways:
            parts.append(_PASTE)
        if "takaro" in ways:
            parts.append(_at_takaro(takaro))
    return HTMLResponse(_PAGE.format(style=_STYLE, content="\n".join(parts)), status, headers=_HEADERS)


def _at_takaro(address: str | None) -> str:
    if address is None:
        return "<p>Sign in to Takaro in this browser, then open this page again.</p>"
    link = f'<a href="{escape(address)}">{escape(address)}</a>'
    return f"<p>Sign in to Takaro at {link}, then open this page again.</p>"
