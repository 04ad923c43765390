"""Every word of the exports in German and English, and which of the two a client wants. Pure."""

from collections.abc import Mapping
from enum import StrEnum

from api.exports.value_texts import VALUES


class Language(StrEnum):
    DE = "de"
    EN = "en"


_WORDS: Mapping[str, tuple[str, str]] = {
    # columns
    "id": ("Nr.", "No."),
    "charge_point": ("Ladepunkt", "Charge point"),
    "started": ("Beginn", "Start"),
    "ended": ("Ende", "End"),
    "started_utc": ("Beginn (UTC)", "Start (UTC)"),
    "ended_utc": ("Ende (UTC)", "End (UTC)"),
    "plugged": ("Angesteckt", "Plugged in"),
    "charging": ("Ladedauer", "Charging"),
    "plugged_s": ("Angesteckt (s)", "Plugged in (s)"),
    "charging_s": ("Ladedauer (s)", "Charging (s)"),
    "meter_start": ("Zähler Beginn (kWh)", "Meter start (kWh)"),
    "meter_end": ("Zähler Ende (kWh)", "Meter end (kWh)"),
    "energy": ("Energie (kWh)", "Energy (kWh)"),
    "grid": ("Netz (kWh)", "Grid (kWh)"),
    "pv": ("PV (kWh)", "PV (kWh)"),
    "battery": ("Speicher (kWh)", "Battery (kWh)"),
    "source_unknown_kwh": ("Unbekannt (kWh)", "Unknown (kWh)"),
    "discharged": ("Zurückgegeben (kWh)", "Given back (kWh)"),
    "doubt": ("Zweifel", "Doubt"),
    "sources_method": ("Herkunft nach", "Sources by"),
    "cost": ("Kosten", "Cost"),
    "currency": ("Währung", "Currency"),
    "cost_method": ("Kosten nach", "Cost by"),
    "soc_start": ("SoC Beginn (%)", "SoC start (%)"),
    "soc_end": ("SoC Ende (%)", "SoC end (%)"),
    "mode": ("Lademodus", "Charge mode"),
    "vehicle": ("Fahrzeug", "Vehicle"),
    "tag": ("Tag", "Tag"),
    "user": ("Nutzer", "User"),
    "origin": ("Quelle", "Origin"),
    "is_corrected": ("Berichtigt", "Corrected"),
    "sheet": ("Ladevorgänge", "Charge sessions"),
    "total": ("Summe", "Total"),
    "yes": ("ja", "yes"),
    "no": ("nein", "no"),
    # the printed record
    "title": ("Ladenachweis", "Charging record"),
    "file": ("ladevorgaenge", "charge-sessions"),
    "site": ("Standort", "Site"),
    "period": ("Zeitraum", "Period"),
    "whole_time": ("alle Aufzeichnungen", "all records"),
    "from": ("ab {start}", "from {start}"),
    "until": ("bis {end}", "until {end}"),
    "from_until": ("{start} bis {end}", "{start} to {end}"),
    "before": ("vor {end}", "before {end}"),
    "selection": ("Auswahl", "Selection"),
    "everything": ("alle Ladevorgänge", "all charge sessions"),
    "made": ("Erstellt", "Made"),
    "made_by": ("am {at} von {user}", "on {at} by {user}"),
    "time_zone": ("Zeitzone", "Time zone"),
    "sessions": ("Ladevorgänge", "Charge sessions"),
    "energy_short": ("Energie", "Energy"),
    "of_it": ("davon", "of it"),
    "sources": ("Herkunft", "Sources"),
    "unknown": ("unbekannt", "unknown"),
    "source_grid": ("Netz", "grid"),
    "source_pv": ("PV", "PV"),
    "source_battery": ("Speicher", "battery"),
    "source_unknown_short": ("unbek.", "unkn."),
    "source_unknown": ("nicht bekannt", "not known"),
    "energy_by_day": ("Energie je Tag (kWh)", "Energy per day (kWh)"),
    "energy_by_month": ("Energie je Monat (kWh)", "Energy per month (kWh)"),
    "energy_by_year": ("Energie je Jahr (kWh)", "Energy per year (kWh)"),
    "who": ("Nutzer / Fahrzeug", "User / vehicle"),
    "meter_start_short": ("Zähler Beginn", "Meter start"),
    "meter_end_short": ("Zähler Ende", "Meter end"),
    "running": ("läuft noch", "still runs"),
    "none": (
        "In diesem Zeitraum gibt es keine Ladevorgänge dieser Auswahl.",
        "There are no charge sessions of this selection in this period.",
    ),
    "page": ("Seite {page} von {pages}", "Page {page} of {pages}"),
    "rounded": ("gerundet {amount}", "rounded {amount}"),
    "reconciliation": ("Abgleich mit den Zählern", "Reconciliation with the meters"),
    "first_reading": ("Erster Stand", "First reading"),
    "last_reading": ("Letzter Stand", "Last reading"),
    "difference": ("Differenz", "Difference"),
    "these": ("Diese Ladevorgänge", "These sessions"),
    "others": ("Andere Ladevorgänge", "Other sessions"),
    "outside": ("Außerhalb", "Outside"),
    "reconciliation_note": (
        "Alle Werte in kWh, vom Zähler im jeweiligen Ladepunkt. Außerhalb: was der Zähler zwischen zwei Ladevorgängen "
        "weiterzählte, etwa der Eigenverbrauch der Wallbox oder Ladungen, die nicht aufgezeichnet wurden.",
        "All values in kWh, from the meter in each charge point. Outside: what the meter counted between two sessions, "
        "such as the wallbox's own consumption or charges that were not recorded.",
    ),
    "gaps": ("Lücken", "Gaps"),
    "gap": (
        "{charge_point}, {start} bis {end}: der Zähler zählte {energy} kWh, die zu keinem Ladevorgang gehören.",
        "{charge_point}, {start} to {end}: the meter counted {energy} kWh that belong to no session.",
    ),
    "meter_fell": (
        "{charge_point}, {start} bis {end}: der Zählerstand fiel um {energy} kWh; der Zähler wurde getauscht oder "
        "zurückgesetzt, oder ein Stand wurde berichtigt.",
        "{charge_point}, {start} to {end}: the reading fell by {energy} kWh; the meter was swapped or reset, or a "
        "reading was corrected.",
    ),
    "small_gaps": (
        "{charge_point}, Lücken unter 0,1 kWh: {count}, zusammen {energy} kWh.",
        "{charge_point}, gaps below 0.1 kWh: {count}, together {energy} kWh.",
    ),
    "more_gaps": (
        "Weitere Lücken, die hier nicht stehen: {count}.",
        "More gaps, which are not listed here: {count}.",
    ),
    "no_gaps": ("Keine.", "None."),
    "without_energy": (
        "Ohne Zählerstand und daher nicht in der Summe: Nr. {numbers}.",
        "Without a meter reading and so not in the total: no. {numbers}.",
    ),
    "without_cost": (
        "Ohne Kosten und daher nicht in deren Summe: Nr. {numbers}.",
        "Without a cost and so not in its total: no. {numbers}.",
    ),
    "still_running": (
        "Läuft noch und zählt mit dem Stand bei der Erstellung: Nr. {numbers}.",
        "Still runs and counts as it was when this was made: no. {numbers}.",
    ),
    "not_recorded": (
        "Nicht selbst aufgezeichnet, sondern {origin}: Nr. {numbers}.",
        "Not recorded by this system, but {origin}: no. {numbers}.",
    ),
    "corrections": ("Berichtigungen", "Corrections"),
    "correction": (
        "Nr. {number}: {changes}. Berichtigt am {at}{by}{why}",
        "No. {number}: {changes}. Corrected on {at}{by}{why}",
    ),
    "correction_by": (" von {user}", " by {user}"),
    "correction_why": (", Grund: {reason}", ", reason: {reason}"),
    "change": ("{field} {new} statt {old}", "{field} {new} in place of {old}"),
    "thereby": ("{changes}; dadurch {effects}", "{changes}; thereby {effects}"),
    "no_doubt": ("kein Zweifel mehr", "no doubt any more"),
    "unknown_both": ("Herkunft und Kosten unbekannt", "sources and cost unknown"),
    "unknown_sources": ("Herkunft unbekannt", "sources unknown"),
    "unknown_cost": ("Kosten unbekannt", "cost unknown"),
    "no_corrections": ("Keine.", "None."),
    "methods": ("Berechnung", "Method"),
    "energy_method": (
        "Energie ist die Differenz der Zählerstände bei Ende und Beginn. Ein Ladevorgang gehört zu dem Tag und Monat, "
        "in dem er begann ({zone}).",
        "Energy is the difference of the meter readings at end and start. A session belongs to the day and month in "
        "which it began ({zone}).",
    ),
    "sources_by": ("Herkunft: {methods}.", "Sources: {methods}."),
    "cost_by": ("Kosten: {methods}.", "Cost: {methods}."),
    "cost_exact": (
        "Die Beträge der Ladevorgänge sind nicht gerundet (bis auf ein Tausendstel Cent). Gerundet wird einmal, ihre "
        "Summe.",
        "Amounts of sessions are not rounded (to a thousandth of a cent). What is rounded, once, is their total.",
    ),
    "price": ("Preis (€/kWh)", "Price (€/kWh)"),
    "price_is": ("{price} €/kWh", "{price} €/kWh"),
    "cost_eur": ("Kosten (€)", "Cost (€)"),
    "cost_rounded": ("Kosten, gerundet (€)", "Cost, rounded (€)"),
    "lacks_cost": ("{count} ohne Kosten", "{count} without a cost"),
    "note": ("Hinweis", "Note"),
    "note_corrected": ("berichtigt", "corrected"),
    "note_no_cost": ("ohne Kosten", "without a cost"),
    "note_no_energy": ("ohne Zählerstand", "without a reading"),
    "filter_note": (
        "Die Summen gelten für die Zeilen, die ein Filter übrig lässt. Rechts stehen weitere Spalten, ungedruckt.",
        "The totals are those of the rows that a filter leaves. Further columns to the right are not printed.",
    ),
    "numbers_order": (
        "Die Nummern sind in der Reihenfolge vergeben, in der die Ladevorgänge gespeichert wurden; diese Liste folgt "
        "ihrem Beginn.",
        "Numbers were given in the order in which the sessions were stored; this list follows their start.",
    ),
    "doubtful": (
        "Vielleicht Teil eines anderen Ladevorgangs und trotzdem gezählt, zusammen {energy} kWh: Nr. {numbers}.",
        "Perhaps part of another session, and counted nevertheless, together {energy} kWh: no. {numbers}.",
    ),
    "given_back": (
        "Zusammen {energy} kWh gab das Fahrzeug zurück (bidirektionales Laden); sie zählen hier nicht: Nr. {numbers}.",
        "The car gave back {energy} kWh in all (bidirectional charging), which do not count here: no. {numbers}.",
    ),
    "sessions_one": ("Summe (1 Ladevorgang)", "Total (1 session)"),
    "sessions_count": (
        "Summe ({count} Ladevorgänge)",
        "Total ({count} sessions)",
    ),
    "signature": ("Ort, Datum, Unterschrift", "Place, date, signature"),
    "mark_corrected": ("B", "C"),
    "mark_running": ("L", "R"),
    "mark_log": ("W", "W"),
    "mark_import": ("I", "I"),
    "mark_doubtful": ("Z", "D"),
    "and_more": ("{numbers} … ({count} insgesamt)", "{numbers} … ({count} in all)"),
    "legend": (
        "B berichtigt · L läuft noch · W aus dem Protokoll der Wallbox · I übernommen · Z vielleicht Teil "
        "eines anderen",
        "C corrected · R still runs · W from the wallbox's log · I imported · D perhaps part of another",
    ),
    **VALUES,
}


def words(key: str, language: Language, **values: object) -> str:
    """The words for `key`, with `values` in their places."""
    text = _WORDS[key][0 if language is Language.DE else 1]
    return text.format(**values) if values else text


def value_words(kind: str, value: str | None, language: Language) -> str | None:
    """The words for a value of the store (`mode`, `origin`, `field`); one that is not known as it stands."""
    if value is None:
        return None
    key = f"{kind}.{value}"
    return words(key, language) if key in _WORDS else value


def method_words(method: str, language: Language) -> str:
    """How sources or cost were computed, in a sentence's part."""
    whole = f"method.{method}"
    if whole in _WORDS:
        return words(whole, language)
    known = method.removesuffix("_gaps")
    if known != method and f"method.{known}" in _WORDS:
        return words("method.gaps", language, method=words(f"method.{known}", language))
    return method


def accepted_language(accept_language: str) -> Language:
    """The better of the two in an `Accept-Language` (RFC 9110, 12.5.4); German when it says nothing of either."""
    best, quality = Language.DE, 0.0
    for part in accept_language.split(","):
        tag, _, weight = part.partition(";")
        primary = tag.strip().lower().partition("-")[0]
        if primary not in tuple(Language):
            continue
        wish = _quality(weight)
        if wish > quality:
            best, quality = Language(primary), wish
    return best


def _quality(weight: str) -> float:
    name, _, number = weight.strip().partition("=")
    if not name:
        return 1.0
    try:
        return min(1.0, max(0.0, float(number))) if name.strip() == "q" else 1.0
    except ValueError:
        return 0.0
