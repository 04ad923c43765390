"""Security primitives: passwords, tokens, device keys. Pure functions; no I/O but key files."""
