"""The tools that come with Guru, one file each."""
