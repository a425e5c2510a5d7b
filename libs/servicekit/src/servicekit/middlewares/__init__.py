"""ASGI middlewares, one in each file."""
