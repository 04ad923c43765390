"""Charge sessions as the edge records them: what makes one, its energy and where that came from, its cost."""
