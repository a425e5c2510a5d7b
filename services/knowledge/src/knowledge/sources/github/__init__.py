"""A repository on GitHub, through its REST API."""
