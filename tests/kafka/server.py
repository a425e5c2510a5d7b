"""Apache Kafka: one process that is broker and controller (KRaft)."""

import signal
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from takaro_local.server import HOST, Server, ServerError
from tests.kafka import jars
from tests.support.servers import free_port

CLUSTER_ID = "MkU3OEVBNTcwNTJENDM2Qg"


class KafkaServer(Server):
    """Its data stays over ``restart`` and ``kill``."""

    name: ClassVar[str] = "kafka"
    endings: ClassVar[Sequence[tuple[signal.Signals, float]]] = ((signal.SIGTERM, 30),)

    @property
    def url(self) -> str:
        return f"kafka://{HOST}:{self.port}"

    def prepare(self) -> None:
        """Format the data folder, once."""
        self._classpath = f"{jars.fetch()}/*"
        settings = self.data_dir / "server.properties"
        if settings.exists():
            return
        self.data_dir.mkdir(parents=True)
        controller = free_port()
        settings.write_text(
            "\n".join(
                (
                    "process.roles=broker,controller",
                    "node.id=1",
                    f"controller.quorum.voters=1@{HOST}:{controller}",
                    f"listeners=PLAINTEXT://{HOST}:{self.port},CONTROLLER://{HOST}:{controller}",
                    f"advertised.listeners=PLAINTEXT://{HOST}:{self.port}",
                    "controller.listener.names=CONTROLLER",
                    "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
                    f"log.dirs={self.data_dir / 'log'}",
                    "auto.create.topics.enable=false",
                    "offsets.topic.replication.factor=1",
                    "offsets.topic.num.partitions=3",
                    "transaction.state.log.replication.factor=1",
                    "transaction.state.log.min.isr=1",
                    "group.initial.rebalance.delay.ms=0",
                    *(f"{name}={value}" for name, value in self.options.items()),
                )
            )
        )
        tool = ["kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", str(settings)]
        done = subprocess.run(self._java("-Xmx128m", *tool), capture_output=True, text=True, check=False)
        if done.returncode:
            raise ServerError(f"kafka storage format failed:\n{done.stdout}{done.stderr}")

    def command(self) -> Sequence[str]:
        return self._java(
            "-Xmx384m", "-XX:+UseSerialGC", "kafka.Kafka", str(Path(self.data_dir) / "server.properties")
        )

    def is_ready(self) -> bool:
        """Whether the port is open: clients retry the little that is missing then."""
        with socket.socket() as probe:
            probe.settimeout(1)
            return probe.connect_ex((HOST, self.port)) == 0

    def _java(self, *words: str) -> list[str]:
        return ["java", "-cp", self._classpath, *words]
