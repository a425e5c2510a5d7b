"""A job of the BullMQ queue ``kb-sync``: its data, its options, and its Redis connections."""
