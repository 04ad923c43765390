"""openWB 1.9 as seen over MQTT: its topics, its commands with their quirks, its control loop. Pure: no I/O, no clock.

Source of every topic, range and habit: openWB 1.9.304 (`loadvars.sh`, `runs/pubmqtt.sh`, `runs/mqttsub.py`,
`graphing.sh`, `ladelog.sh`, `sofortlademodus.sh`, `minundpv.sh`, `nurpv.sh`).
"""
