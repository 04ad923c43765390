"""The simulator's I/O, one outside library per file."""
