"""Fetches from other hosts: guarded addresses, bounded answers, retries."""
