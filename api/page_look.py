"""How the few pages look that the api writes itself, and what a browser may do with them. Pure.

Nothing comes from elsewhere: one style, one script, each allowed by its digest alone.
"""

import base64
import hashlib

STYLE = """
:root{color-scheme:light dark;--ground:#f3f5f7;--sheet:#fff;--ink:#16202a;--quiet:#5a6875;--line:#d5dce3;
--accent:#0b6e4f;
--on-accent:#fff;--wrong:#b3261e}
@media(prefers-color-scheme:dark){:root{--ground:#11161b;--sheet:#1b2229;--ink:#e8edf2;--quiet:#9aa8b5;--line:#343e48;
--accent:#4cc38a;--on-accent:#06281a;--wrong:#ff8a80}}
*{box-sizing:border-box}[hidden]{display:none!important}
body{margin:0;padding:1.5rem 1rem 3rem;font:16px/1.55 system-ui,sans-serif;color:var(--ink);background:var(--ground)}
main{max-width:30rem;margin:0 auto}header{display:flex;align-items:center;gap:.6rem;margin-bottom:1.2rem;
font-weight:600}
header svg{width:1.9rem;height:1.9rem;color:var(--accent)}
section{background:var(--sheet);border:1px solid var(--line);border-radius:.8rem;padding:1.4rem 1.3rem;
margin-bottom:1rem}
h1{font-size:1.35rem;line-height:1.25;margin:0 0 .5rem;hyphens:auto;overflow-wrap:anywhere}
p{margin:.4rem 0 .8rem}.quiet{color:var(--quiet);
font-size:.92rem}
label{display:block;margin:.9rem 0;font-weight:600;font-size:.95rem}
input{display:block;width:100%;margin-top:.3rem;padding:.6rem .7rem;font:inherit;color:inherit;background:var(--ground);
border:1px solid var(--line);border-radius:.5rem}
:focus-visible{outline:3px solid var(--accent);outline-offset:2px}
button{font:inherit;font-weight:600;padding:.6rem 1.2rem;border:1px solid var(--accent);border-radius:.5rem;
cursor:pointer;
color:var(--on-accent);background:var(--accent)}button.second{color:var(--accent);background:none}
button:disabled{opacity:.5;cursor:wait}.row{display:flex;flex-wrap:wrap;gap:.7rem;margin-top:1.1rem}
output{display:block;color:var(--wrong);margin-top:.8rem}output:empty{display:none}a{color:var(--accent)}
ol.steps{display:flex;gap:.4rem;list-style:none;padding:0;margin:0 0 1rem}ol.steps li{flex:1;padding-top:.4rem;
border-top:4px solid var(--line);color:var(--quiet);font-size:.85rem}ol.steps li[aria-current]{
border-color:var(--accent);
color:var(--ink);font-weight:600}ol.steps li.done{border-color:var(--accent)}
img.qr{display:block;width:13rem;height:13rem;margin:1rem auto;border-radius:.5rem;background:#fff}
code{font:.95em/1.5 ui-monospace,monospace;overflow-wrap:anywhere}
ul.codes{columns:12rem;list-style:none;padding:.8rem 1rem;margin:.8rem 0;background:var(--ground);border-radius:.5rem}
dl{margin:0}dt{font-weight:600;margin-top:.9rem}dd{margin:.1rem 0 0}
@media print{body{background:#fff;color:#000}.row,ol.steps,header{display:none}section{border:0}}
"""

LOGO = (
    '<svg viewBox="0 0 32 32" fill="none" stroke="currentColor" stroke-width="2.4" stroke-linejoin="round" '
    'aria-hidden="true">'
    '<rect x="5" y="3" width="22" height="26" rx="5"/><path d="M17.5 8.5 11.5 17h4.5l-1.5 6.5 6-8.5h-4.5z" '
    'fill="currentColor" stroke-width="1"/></svg>'
)


def document(*, language: str, title: str, body: str, script: str = "") -> str:
    """Return a whole page; `body` is HTML."""
    end = f"<script>{script}</script>" if script else ""
    return (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head><body><main>'
        f"<header>{LOGO}Wallport</header>{body}</main>{end}</body></html>\n"
    )


def security_policy(script: str = "") -> str:
    """Return the Content-Security-Policy for a page with that script, or with none."""
    parts = ["default-src 'none'", f"style-src 'sha256-{_digest(STYLE)}'"]
    if script:
        # Requests to the site itself, and QR codes that came from it.
        parts += [f"script-src 'sha256-{_digest(script)}'", "connect-src 'self'", "img-src data:"]
    return "; ".join([*parts, "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"])


def language_of(accepted: str) -> str:
    """Return `de` or `en`, whichever an `Accept-Language` field wants more; English where it says nothing."""
    wanted = {"de": 0.0, "en": 0.0}
    for part in accepted.lower().split(","):
        name, _, weight = part.partition(";")
        language = name.strip().partition("-")[0]
        try:
            value = float(weight.strip().removeprefix("q=") or 1)
        except ValueError:
            continue
        if language in wanted:
            wanted[language] = max(wanted[language], value)
    return "de" if wanted["de"] > wanted["en"] else "en"


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
