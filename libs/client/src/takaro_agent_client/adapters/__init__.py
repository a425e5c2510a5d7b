"""Other libraries' interfaces on top of the services: each needs the extra of its library."""
