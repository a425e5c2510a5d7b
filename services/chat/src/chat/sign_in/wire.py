"""Who is calling, on the wire, and the fields of the page's form."""

from dataclasses import dataclass
from typing import Annotated
from urllib.parse import parse_qsl

from pydantic import Field
from typing_extensions import TypedDict

from common.errors import Invalid, TooLarge
from servicekit.auth import Caller

MAX_FORM_BYTES = 20_000


class MeJson(TypedDict):
    """The caller. ``name`` is the id where nothing else is known, ``email`` null."""

    id: Annotated[str, Field(examples=["0b0a3c9e-ann"])]
    email: Annotated[str | None, Field(examples=["ann@example.org"])]
    name: Annotated[str, Field(examples=["Ann"])]


def me_json(caller: Caller) -> MeJson:
    """The caller as clients know it."""
    return {"id": caller.user_id, "email": caller.email, "name": caller.name or caller.user_id}


@dataclass(slots=True, frozen=True)
class SignIn:
    """What the form sent: a token or a name, or the wish to sign out."""

    secret: str
    sign_out: bool


def parse_form(body: bytes) -> SignIn:
    """Raises :class:`TooLarge` and :class:`Invalid`."""
    if len(body) > MAX_FORM_BYTES:
        raise TooLarge(f"The form is over {MAX_FORM_BYTES} bytes")
    try:
        fields = dict(
            parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=5)
        )
    except ValueError as error:
        raise Invalid("The form must be sent as application/x-www-form-urlencoded, in UTF-8") from error
    return SignIn(fields.get("secret", "").strip(), "signOut" in fields)
