"""A believable openWB on a real broker, and the demo that runs everything on one machine."""
