"""What values of the store are called in German and English: modes, origins, methods, fields. Pure; for texts.py."""

from collections.abc import Mapping

VALUES: Mapping[str, tuple[str, str]] = {
    "mode.instant": ("Sofort", "Instant"),
    "mode.min_pv": ("Min + PV", "Min + PV"),
    "mode.pv": ("PV", "PV"),
    "mode.stop": ("Stop", "Stop"),
    "mode.standby": ("Standby", "Standby"),
    "mode.scheduled": ("Zielladen", "Scheduled"),
    "mode.eco": ("Eco", "Eco"),
    "mode.time": ("Zeitladen", "Time window"),
    "mode.bidi": ("Bidirektional", "Bidirectional"),
    "doubt.overlaps": ("überschneidet sich mit einem anderen", "overlaps another"),
    "doubt.counted": ("vielleicht in einem anderen enthalten", "perhaps part of another"),
    "origin.recorded": ("aufgezeichnet", "recorded"),
    "origin.log": ("aus dem Protokoll der Wallbox", "from the wallbox's log"),
    "origin.import": ("übernommen", "imported"),
    "method.corrected": ("von Hand berichtigt", "corrected by hand"),
    "method.wallbox_log": ("aus dem Protokoll der Wallbox", "from the wallbox's own log"),
    "method.shares": (
        "nach den Leistungen von Netz, PV und Speicher während des Ladens",
        "by the powers of grid, PV and battery while charging",
    ),
    "method.shares_meters": (
        "nach den Leistungen von Netz, PV und Speicher, in Lücken nach deren Zählern",
        "by the powers of grid, PV and battery, in gaps by their meters",
    ),
    "method.shares_gaps": (
        "nach den Leistungen von Netz, PV und Speicher; höchstens 10 % nicht gemessen und wie das Übrige gerechnet",
        "by the powers of grid, PV and battery; at most 10 % not measured and reckoned like the rest",
    ),
    "method.tariff": (
        "nach den Preisen, die die Wallbox zur jeweiligen Zeit für Netz, PV und Speicher nannte",
        "by the prices for grid, PV and battery that the wallbox named at the time",
    ),
    "method.tariff_set": (
        "Netz nach dem Preis, den die Wallbox zur jeweiligen Zeit nannte, PV und Speicher nach dem hier eingestellten",
        "grid by the price that the wallbox named at the time, PV and battery by the one that is set here",
    ),
    "method.tariff_grid": (
        "alles nach dem Netzpreis, den die Wallbox zur jeweiligen Zeit nannte, auch PV und Speicher",
        "all by the grid's price that the wallbox named at the time, PV and battery too",
    ),
    "method.gaps": (
        "{method}; höchstens 10 % ohne Preis und wie das Übrige gerechnet",
        "{method}; at most 10 % without a price and reckoned like the rest",
    ),
    "field.user_name": ("Nutzer", "user"),
    "field.tag": ("Tag", "tag"),
    "field.vehicle": ("Fahrzeug", "vehicle"),
    "field.mode": ("Lademodus", "charge mode"),
    "field.meter_start_wh": ("Zähler Beginn", "meter start"),
    "field.meter_end_wh": ("Zähler Ende", "meter end"),
    "field.energy_wh": ("Energie", "energy"),
    "field.grid_wh": ("Energie aus dem Netz", "energy from the grid"),
    "field.pv_wh": ("Energie aus PV", "energy from PV"),
    "field.battery_wh": ("Energie aus dem Speicher", "energy from the battery"),
    "field.sources_method": ("Herkunft nach", "sources by"),
    "field.cost_millicents": ("Kosten", "cost"),
    "field.cost_method": ("Kosten nach", "cost by"),
}
