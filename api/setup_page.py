"""The page behind a setup link: the first admin, their second factor, and what comes next. Pure.

Without a link's secret it begins with a login, for whoever has none of a second factor yet. The secret stands in the
link's fragment, which browsers send to nobody; the page's script puts it into the one request.
"""

import json
from collections.abc import Mapping
from typing import Any

from api import page_look
from api.setup_script import SCRIPT

SECURITY_POLICY = page_look.security_policy(SCRIPT)

_EN: Mapping[str, Any] = {
    "title": "Set up Wallport",
    "steps": ("Account", "Second factor", "What next"),
    "first": "Make the first admin",
    "first_text": "An admin manages users, cards and the site. For every day make yourself a user without these "
    "rights.",
    "user": "Your name",
    "password": "Password, at least 10 characters",
    "again": "The same again",
    "make": "Make the first admin",
    "login": "Log in",
    "login_text": "To set up your authenticator app. A new site begins with the link that "
    "<code>wallport-api setup-link</code> prints on its machine.",
    "own_password": "Password",
    "enter": "Log in",
    "factor": "Protect it with a second factor",
    "factor_text": "Scan this with an authenticator app (Aegis, 2FAS, Google Authenticator, the one in your iPhone "
    "…) and enter "
    "the six digits that it shows.",
    "on_phone": "On this very phone: <a id=uri>open it in your app</a>, or type in",
    "code": "Code of the app",
    "confirm": "Confirm",
    "later": "Later",
    "codes": "Recovery codes",
    "codes_text": "Each of them stands in for one code, should the phone be lost. They are shown this once: print "
    "them, or put them "
    "into your password manager.",
    "print": "Print",
    "kept": "I have kept them",
    "next": "Done. What next?",
    "next_items": (
        (
            "More people",
            "Drivers charge and see their own sessions, viewers look. An admin adds them in the app, or here: "
            "<code>wallport-api user add NAME --role driver</code>",
        ),
        (
            "From outside",
            "Join the site to your relay: <code>wallport-relay site add home</code> there prints the command that is "
            "typed here. Then the site answers at <code>https://RELAY/s/home/</code>. What needs a code asks for a "
            "fresh one each "
            "time there, and users and passwords are managed at home.",
        ),
        (
            "Home Assistant and scripts",
            "They get tokens of their own, with the rights that they need: "
            "<a href=docs>the API's description</a>, <code>me/api-tokens</code>",
        ),
    ),
    "to_site": "To the site",
    "script": {
        "differ": "The two passwords differ.",
        "silent": "The site did not answer. Try again.",
        "later": "Without a second factor an admin cannot log in from outside, and cannot manage users. Come back "
        "to this page "
        "on the home network: /setup",
        "errors": {
            "setup_closed": "This link is wrong, was used, or is older than an hour; or there is a user already. "
            "Make a new one "
            "with: wallport-api setup-link",
            "totp_already_set_up": "Your authenticator app is set up already.",
        },
    },
}

_DE: Mapping[str, Any] = {
    "title": "Wallport einrichten",
    "steps": ("Konto", "2. Faktor", "Wie weiter"),
    "first": "Den ersten Admin anlegen",
    "first_text": "Ein Admin verwaltet Benutzer, Karten und die Anlage. Lege dir für jeden Tag einen Benutzer ohne "
    "diese Rechte an.",
    "user": "Dein Name",
    "password": "Passwort, mindestens 10 Zeichen",
    "again": "Noch einmal dasselbe",
    "make": "Ersten Admin anlegen",
    "login": "Anmelden",
    "login_text": "Um deine Authenticator-App einzurichten. Eine neue Anlage beginnt mit dem Link, den "
    "<code>wallport-api setup-link</code> auf ihrem Rechner ausgibt.",
    "own_password": "Passwort",
    "enter": "Anmelden",
    "factor": "Mit einem zweiten Faktor schützen",
    "factor_text": "Scanne das mit einer Authenticator-App (Aegis, 2FAS, Google Authenticator, die deines iPhones "
    "…) und gib die sechs "
    "Ziffern ein, die sie zeigt.",
    "on_phone": "Auf diesem Handy selbst: <a id=uri>in deiner App öffnen</a>, oder eintippen:",
    "code": "Code der App",
    "confirm": "Bestätigen",
    "later": "Später",
    "codes": "Wiederherstellungs&shy;codes",
    "codes_text": "Jeder ersetzt einmal den Code, falls das Handy verloren geht. Sie werden nur jetzt gezeigt: "
    "Drucke sie aus, oder lege "
    "sie in deinem Passwortmanager ab.",
    "print": "Drucken",
    "kept": "Ich habe sie aufgehoben",
    "next": "Fertig. Wie geht es weiter?",
    "next_items": (
        (
            "Weitere Personen",
            "Fahrer laden und sehen ihre eigenen Ladevorgänge, Betrachter schauen zu. Ein Admin legt sie in der App "
            "an, "
            "oder hier: <code>wallport-api user add NAME --role driver</code>",
        ),
        (
            "Von unterwegs",
            "Verbinde die Anlage mit deinem Relay: <code>wallport-relay site add home</code> gibt dort den Befehl "
            "aus, der "
            "hier eingetippt wird. Dann antwortet die Anlage unter <code>https://RELAY/s/home/</code>. Was einen "
            "Code braucht, fragt dort "
            "jedes Mal nach einem neuen, und Benutzer und Passwörter werden zu Hause verwaltet.",
        ),
        (
            "Home Assistant und Skripte",
            "Sie bekommen eigene Token mit den Rechten, die sie brauchen: "
            "<a href=docs>die Beschreibung der API</a>, <code>me/api-tokens</code>",
        ),
    ),
    "to_site": "Zur Anlage",
    "script": {
        "differ": "Die beiden Passwörter sind verschieden.",
        "silent": "Die Anlage hat nicht geantwortet. Versuche es noch einmal.",
        "later": "Ohne zweiten Faktor kann sich ein Admin von unterwegs nicht anmelden und keine Benutzer "
        "verwalten. Komm im Heimnetz "
        "auf diese Seite zurück: /setup",
        "errors": {
            "setup_closed": "Dieser Link ist falsch, verbraucht oder älter als eine Stunde; oder es gibt schon "
            "einen Benutzer. Einen "
            "neuen gibt: wallport-api setup-link",
            "totp_already_set_up": "Deine Authenticator-App ist schon eingerichtet.",
            "login_failed": "Name oder Passwort ist falsch.",
            "wrong_code": "Der Code ist falsch, zu alt oder schon benutzt.",
            "too_many_attempts": "Zu viele Versuche. Warte ein wenig.",
            "login_required": "Die Anmeldung ist abgelaufen. Lade die Seite neu.",
            "invalid_input": "Das geht so nicht: Der Name darf 1 bis 64 Zeichen haben, das Passwort muss mindestens "
            "10 haben und darf "
            "keines sein, das alle zuerst probieren.",
        },
    },
}


def page(language: str, api_command: str = "wallport-api") -> str:
    """Return the page in `de` or `en`; `api_command` is what is typed on this machine in front of a verb."""
    text = _DE if language == "de" else _EN
    steps = "".join(f"<li>{name}</li>" for name in text["steps"])
    items = "".join(f"<dt>{name}</dt><dd>{what}</dd>" for name, what in text["next_items"])
    new_password = 'type="password" minlength="10" maxlength="256" autocomplete="new-password" required'
    body = f"""<ol class="steps">{steps}</ol>
<section id="first" hidden><h1>{text["first"]}</h1><p>{text["first_text"]}</p><form>
<label>{text["user"]}<input name="user" maxlength="64" autocomplete="username" required></label>
<label>{text["password"]}<input name="password" {new_password}></label>
<label>{text["again"]}<input name="again" {new_password}></label>
<div class="row"><button>{text["make"]}</button></div><output></output></form></section>
<section id="login" hidden><h1>{text["login"]}</h1><p>{text["login_text"]}</p><form>
<label>{text["user"]}<input name="user" maxlength="64" autocomplete="username" required></label>
<label>{text["own_password"]}<input name="password" type="password" autocomplete="current-password" required></label>
<div class="row"><button>{text["enter"]}</button></div><output></output></form></section>
<section id="factor" hidden><h1>{text["factor"]}</h1><p>{text["factor_text"]}</p><img id="qr" class="qr" alt="QR">
<p class="quiet">{text["on_phone"]} <code id="key"></code></p><form>
<label>{text["code"]}<input name="code" inputmode="numeric" pattern="[0-9 ]*" maxlength="7" "
"autocomplete="one-time-code"
 required></label><div class="row"><button>{text["confirm"]}</button>
<button type="button" id="later" class="second">{text["later"]}</button></div><output></output></form></section>
<section id="codes" hidden><h1 tabindex="-1">{text["codes"]}</h1><p>{text["codes_text"]}</p>
<ul id="list" class="codes"></ul>
<div class="row"><button id="kept">{text["kept"]}</button>
<button id="print" class="second">{text["print"]}</button></div></section>
<section id="next" hidden><h1 tabindex="-1">{text["next"]}</h1><p id="skipped"></p><dl>{items}</dl>
<div class="row"><a href="./">{text["to_site"]}</a></div></section>
<script type="application/json" id="texts">{_as_data(text["script"])}</script>"""
    body = body.replace("wallport-api", api_command)
    return page_look.document(language=language, title=text["title"], body=body, script=SCRIPT)


def _as_data(value: object) -> str:
    """JSON that cannot end the element it stands in."""
    return json.dumps(value, ensure_ascii=False).replace("<", "\\u003c")
