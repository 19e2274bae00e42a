"""Wire formats, one file each, in both directions between their JSON and the shapes of `guru.types`."""
