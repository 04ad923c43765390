"""Plausible ranges of measured values, for both tables. What is outside is a broken meter, not a reading.

For a house with a grid connection up to 1 MW.
"""

from edge.openwb.dialect import Range

SITE_POWER = Range(-1_000_000, 1_000_000)
LOAD_POWER = Range(0, 1_000_000)
PRODUCTION = Range(-1_000, 1_000_000)  # inverters draw some watts at night
METER = Range(0, 1e12)  # Wh; 1000 GWh
CHARGED = Range(0, 1e7)  # Wh in one charge
PHASE_POWER = Range(-400_000, 400_000)
PHASE_CURRENT = Range(-2_000, 2_000)
VOLTAGE = Range(0, 500)
FREQUENCY = Range(40, 70)
PERCENT = Range(0, 100)
PRICE = Range(-10, 10)  # EUR per kWh
TEMPERATURE = Range(-100, 200)  # °C; store tanks and heating rods
CLOCK = Range(0, 1e11)  # Unix seconds
