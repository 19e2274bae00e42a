"""The HTTP server: doors (one file per API), errors, pages."""
