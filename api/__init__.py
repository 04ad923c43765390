"""The on-site JSON API and live push: the only place with routes about the wallbox."""
