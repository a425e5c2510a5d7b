"""The schema: its revisions, applying and taking them back, and adopting a database that knex migrated."""
