"""The wallbox's own charge log: reading its two formats, and comparing it with what the edge recorded. Pure."""
