"""What is known about openWB's MQTT, one file a generation. The only place of its German names."""
