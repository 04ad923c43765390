"""What stands at the site's address itself where the web app was not built: a page that says what this is. For programs
that ask for JSON: where the API is.

Pure. Addresses are relative, so that they hold on the LAN and below the relay's `/s/{site}/` alike.
"""

from collections.abc import Mapping

from api import page_look

FRONT: Mapping[str, str] = {
    "name": "wallport",
    "api": "api/v1/",
    "description": "openapi.json",
    "docs": "docs",
    "setup": "setup",
}
"""What a program is told."""

SECURITY_POLICY = page_look.security_policy()

_TEXTS = {
    "en": (
        "The way to your wallbox",
        "Wallport runs here: live values, history and control of an openWB wallbox. This address is for apps and "
        "programs, "
        "which log in with the name and the password of a user.",
        "First steps",
        "make the first admin with the link that <code>wallport-api setup-link</code> prints, or set up your "
        "authenticator "
        "app. On the home network only.",
        "For developers",
        "all that the API can do, with types and examples.",
        "The API's description",
        "Setup",
    ),
    "de": (
        "Der Weg zu deiner Wallbox",
        "Hier läuft Wallport: Live-Werte, Verlauf und Steuerung einer openWB-Wallbox. Diese Adresse ist für Apps und "
        "Programme, die sich mit Name und Passwort eines Benutzers anmelden.",
        "Erste Schritte",
        "den ersten Admin anlegen, mit dem Link, den <code>wallport-api setup-link</code> ausgibt, oder deine "
        "Authenticator-App einrichten. Nur im Heimnetz.",
        "Für Entwickler",
        "alles, was die API kann, mit Typen und Beispielen.",
        "Die Beschreibung der API",
        "Einrichtung",
    ),
}


def wants_json(accepted: str) -> bool:
    """Return whether an `Accept` field is a program's, which names JSON and no HTML."""
    return "application/json" in accepted.lower() and "text/html" not in accepted.lower()


def page(language: str, api_command: str = "wallport-api") -> str:
    """Return the page in `de` or `en`; `api_command` is what is typed on this machine in front of a verb."""
    title, what, steps, setup, developers, docs, to_docs, to_setup = _TEXTS[language]
    body = (
        f"<section><h1>{title}</h1><p>{what}</p><dl>"
        f'<dt>{steps}</dt><dd><a href="{FRONT["setup"]}">{to_setup}</a>: {setup}</dd>'
        f'<dt>{developers}</dt><dd><a href="{FRONT["docs"]}">{to_docs}</a>: {docs}</dd></dl></section>'
    )
    return page_look.document(language=language, title="Wallport", body=body.replace("wallport-api", api_command))
