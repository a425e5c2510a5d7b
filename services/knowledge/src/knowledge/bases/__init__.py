"""Knowledge bases: the registry of what is to be indexed, and its HTTP interface."""
