"""The edge's I/O, one outside library per file; each translates its library's exceptions."""
