"""Web pages and sitemaps as sources of documents: polite, bounded, and never a way into the private network."""
