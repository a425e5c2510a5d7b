"""What tests share: servers to break, services to start, and waiting for conditions."""
