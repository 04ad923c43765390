"""Cuts out of the wallbox's words what is nobody's business: addresses, URLs, queries and what looks like a secret.

openWB writes requests that failed, answers and exceptions of libraries into its accounts of faults, with everything
in them. The dialect tables send every text through here before anything else looks at it. Pure. Errs on the side of
cutting: a word that may be an address is lost, the sentence around it stays. Plain words cannot be told from a
password; only what has the form, or the name, of a secret is found.
"""

import html
import re
from itertools import pairwise
from typing import Any

from edge.openwb.parsing import SkipReason, Unreadable

CUT = "…"

DEEPEST = 20
"""Levels of objects and lists; a charge template with its plans has seven."""

LONGEST = 4_000
"""Characters that are looked at, up to the last whole word; people are shown 500 of a text at most."""

_SECRET = (
    r"(?:passw|passphrase|passcode|kennwort|pwd|secret|geheim|token|credential|zugangsdat|authori[sz]|cookie|signature"
    r"|(?:api|access|private)[ _-]?key|schlüssel|(?:session|client|device)[ _-]?id|e-?mail|account"
    r"|(?:user(?:[ _-]?name)?|benutzer(?:name)?|login|pin|vin|key|serial|seriennummer)\b"
    r"|(?<![^\W_])(?:(?:pass|pw)\b|auth(?=\s{0,3}=)))"
)
_IS_SECRET = re.compile(_SECRET, re.IGNORECASE)
_QUOTED = r"\"[^\"]*\"?|'[^']*'?|„[^“]*“?|»[^«]*«?|«[^»]*»?|‘[^’]*’?|`[^`]*`?|\([^)]*\)?"
_NAMED = re.compile(
    rf"(?<!\w)([\w.-]{{0,40}}?{_SECRET}[\w.-]{{0,40}}['\"]?\s{{0,3}})"
    rf"(?:((?:->|→|[:=>]{{1,2}})\s{{0,9}})(?:{_QUOTED}|[^\s,;]+)|(?:{_QUOTED}))",
    re.IGNORECASE,
)
_SCHEME = re.compile(r"\b(?:((?i:bearer))\s+\S+|((?i:basic|digest))\s+(?!\w[a-zäöüß]+\b)[\w.+/=~-]{8,})")
_NAMED_HOST = re.compile(
    rf"\b((?:host(?:name)?|server|adresse?|address|resolve|ip|url|uri)\s{{0,3}}[:=]?\s{{0,3}})(?:{_QUOTED})",
    re.IGNORECASE,
)
_DUMPS = (("{", "}"), ("['", "]"), ('["', "]"), ("[{", "]"))

_QUERY = re.compile(r"[?&][\w.%\[\]-]+=|%[0-9A-Fa-f]{2}")
_IPV4 = re.compile(r"(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?!\.?\d)")
_IPV6_OR_MAC = re.compile(
    r"(?<![\w:])(?:[0-9a-f]{1,4}:){3}[0-9a-f:]|(?:[0-9a-f]{1,4}|(?<!\w))::(?:[0-9a-f]|(?!\w))|(?:[0-9a-f]{2}-){5}[0-9a-f]{2}",
    re.IGNORECASE,
)
_HOST_AND_PORT = re.compile(r"(?<![\w.:-])(?=[0-9.-]{0,80}[a-z])[a-z0-9][a-z0-9.-]{0,80}:\d{2,5}(?!\w)")
_DOTTED = re.compile(r"(?<![\w.-])[\w-]{1,63}(?:\.[\w-]{1,63}){0,8}\.([^\W\d_]{2,24})(?![\w-])")
_DOMAINS = {"local", "lan", "box", "home", "net", "org", "com", "de", "io", "eu", "at", "ch", "info", "internal"}
_RUN = re.compile(r"[A-Za-z0-9_+/=-]{8,}")
_EDGES = re.compile(r"^([(\[{<\"'„‚«]*)(.*?)([.,;:!?)\]}>\"'“”’»]*)$", re.DOTALL)
_BARE_NUMBER = re.compile(r"[+-]?[0-9]{0,20}\.?[0-9]{0,20}(?:[eE][+-]?[0-9]{1,2})?")
_HARMLESS = re.compile(r"[+-]?[0-9]{1,5}(?:\.[0-9]{1,5})?[A-Za-z%]{0,3}|true|false|none|null", re.IGNORECASE)


def discreet(text: str) -> str:
    """The text without what may be an address or a secret; `…` stands for what was cut."""
    if _BARE_NUMBER.fullmatch(text):
        return text
    if len(text) > LONGEST:
        text = f"{text[:LONGEST].rpartition(' ')[0]} {CUT}"
    for opening, closing in _DUMPS:
        starts_at = text.find(opening)
        if starts_at >= 0:
            ends_at = text.rfind(closing, starts_at)
            text = text[:starts_at] + CUT + (text[ends_at + 1 :] if ends_at >= 0 else "")
    text = _SCHEME.sub(lambda found: f"{found[1] or found[2]} {CUT}", text)
    text = _NAMED.sub(lambda found: f"{found[1]}{found[2] or ''}{CUT}", text)
    text = _NAMED_HOST.sub(rf"\1{CUT}", text)
    return re.sub(r"\S+", lambda found: _word(found[0]), text)


def discreet_content(content: Any, depth: int = 0) -> Any:
    """Decoded JSON with every text in it made discreet, and members with a secret's name emptied.

    Raises Unreadable for what is deeper than any payload of openWB.
    """
    if depth > DEEPEST:
        raise Unreadable(SkipReason.NOT_AN_OBJECT)
    if isinstance(content, str):
        return discreet(content)
    if isinstance(content, list):
        return [discreet_content(item, depth + 1) for item in content]
    if isinstance(content, dict):
        return {
            name: None if _IS_SECRET.search(name) else discreet_content(item, depth + 1)
            for name, item in content.items()
        }
    return content


def _word(word: str) -> str:
    edges = _EDGES.match(word)
    before, core, after = edges.groups() if edges is not None else ("", word, "")
    core = html.unescape(core)
    if len(core) < 3:
        return word
    if _is_address(core):
        return f"{before}{CUT}{after}"
    name, equals, value = core.partition("=")
    if equals and not _HARMLESS.fullmatch(value.strip("\"'[](){}<>,;")) and len(value) > 2:
        is_name = re.fullmatch(r"[\w.-]{1,30}", name) is not None and not _is_random(name)
        return f"{before}{name if is_name else ''}={CUT}{after}"
    return f"{before}{CUT}{after}" if any(_is_random(run) for run in _RUN.findall(core)) else word


def _is_address(word: str) -> bool:
    """URL, mail address, path, query, network address or host name."""
    if "://" in word or ("@" in word and len(word) > 1) or _QUERY.search(word):
        return True
    parts = word.split("/")
    if word[0] in "/\\" or (len(parts) > 2 and any(len(part) > 8 for part in parts)):
        return True
    if any(form.search(word) for form in (_IPV4, _IPV6_OR_MAC, _HOST_AND_PORT)):
        return True
    return any(found[1].islower() or found[1].lower() in _DOMAINS for found in _DOTTED.finditer(word))


def _is_random(run: str) -> bool:
    """Letters and digits as no word and no number has them: keys, tokens, ids."""
    if run.startswith("eyJ"):
        return True
    parts = [part for part in re.split(r"[_+/=-]", run) if part]
    joined = "".join(parts)
    if joined.isdecimal():
        return len(joined) >= 10
    pairs = list(pairwise(joined))
    if any(character.isdecimal() for character in joined):
        turns = sum(one.isdecimal() != other.isdecimal() for one, other in pairs)
        return len(joined) >= 16 or (turns >= 4 and max(map(len, parts)) > 3)
    humps = sum(one.islower() and other.isupper() for one, other in pairs)
    return len(joined) >= 12 and humps * 6 > len(joined)
