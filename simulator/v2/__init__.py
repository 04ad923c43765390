"""openWB 2.x as seen over MQTT: its topics, its commands with their habits, its control cycle. Pure: no I/O, no clock.

Source of every topic, range and habit: openWB/core 2.3.0-alpha.1 (`packages/`: `helpermodules/setdata.py`,
`helpermodules/command.py`, `control/`), observed on the real core. Names of values are topics without `openWB/`.
"""
