"""``./takaro …``: the operators' command line, at the addresses of the stack that runs on this checkout."""

import os

from takaro_local.addresses import settings_of_clients
from takaro_operator import app


def main() -> None:
    """Run the command in this process."""
    os.environ |= settings_of_clients()
    app(prog_name="takaro")


if __name__ == "__main__":
    main()
