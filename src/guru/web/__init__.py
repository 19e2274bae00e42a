"""The web pages: templates, and static files that a browser reads as they are, without a build."""
