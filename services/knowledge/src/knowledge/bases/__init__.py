"""Knowledge bases: the registry of what is indexed."""
