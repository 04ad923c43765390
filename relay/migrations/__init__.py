"""The numbered migrations of the relay's registry; applied in order, never changed once released."""
