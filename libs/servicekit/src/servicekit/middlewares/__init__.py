"""ASGI middlewares, each in a file of its own."""
