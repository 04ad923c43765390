"""The edge's threads: flow only. Decisions stand at the package root, I/O in adapters."""
