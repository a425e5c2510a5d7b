"""The BullMQ queue ``kb-sync``, shared with the Node application."""
