"""The tunnel's core: frames, handshake and stream states without any I/O. Normative page: docs/protocol.md."""
