"""The relay's I/O: Sanic's sockets, the registry of sites."""
