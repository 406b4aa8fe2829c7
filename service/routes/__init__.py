"""The HTTP interface, version 1; DESIGN section 4."""
