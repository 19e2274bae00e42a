"""Heavy work on the cores of other machines: parsing and embedding on Ray."""
