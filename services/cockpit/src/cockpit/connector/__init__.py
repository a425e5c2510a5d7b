"""Connects running mock servers to Takaro: one WebSocket each, held by one process under a lease."""
