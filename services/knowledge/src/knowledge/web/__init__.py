"""Fetching from other people's hosts: guarded addresses, bounded answers, retries."""
