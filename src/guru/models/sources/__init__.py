"""Where model files come from: a wheel of a package index, a model hub, any URL, a local file.

Each source turns a catalogue entry or a spec into a `Remote`, which `download` fetches.
"""
