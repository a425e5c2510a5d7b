"""Processes that read what others wrote, so that nothing in a file can stop or swell the service."""
