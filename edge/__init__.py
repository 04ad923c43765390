"""The on-site agent: mirrors openWB into Redis, records to the store and keeps the tunnel to the relay."""
