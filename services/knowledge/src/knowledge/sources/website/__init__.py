"""A website, by its sitemap."""
