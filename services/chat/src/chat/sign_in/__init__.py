"""People sign in to a page, and programs ask who they are."""
