"""The command line: one file per verb, all of them speaking the HTTP API."""
