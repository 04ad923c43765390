"""Measurements. Each run compares within itself: figures of different machines or runs do not compare."""
