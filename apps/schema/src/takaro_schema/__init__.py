"""The schema's revisions and what applies them, takes them back and adopts a database that knex migrated."""
