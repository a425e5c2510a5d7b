"""What chat answers about the caller."""

from takaro_agent_client.models.model import Model


class Me(Model):
    """The caller. ``name`` is the id where no name is known."""

    id: str
    email: str | None
    name: str
