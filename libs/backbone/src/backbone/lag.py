"""How far behind a consumer group is, as its broker measures it."""

from prometheus_client import Gauge

LAG = Gauge("takaro_stream_group_lag", "Entries a group has not read yet", ["stream", "group"])
PENDING = Gauge("takaro_stream_group_pending", "Entries read and not acknowledged", ["stream", "group"])
