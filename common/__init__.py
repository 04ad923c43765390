"""What two or more products need; it imports none of them and opens nothing when imported."""
