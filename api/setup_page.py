"""The page behind a setup link: a form for the first admin. Pure; it needs nothing from elsewhere.

The secret stands in the link's fragment, which browsers send to nobody; the page's script puts it into the one request.
"""

import base64
import hashlib

_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:24rem;margin:3rem auto;padding:0 1rem;color:#1a1a1a;background:#fff}
label{display:block;margin:.8rem 0}input{display:block;width:100%;box-sizing:border-box;font:inherit;padding:.4rem}
button{font:inherit;padding:.5rem 1.2rem}
"""

_SCRIPT = """
const form = document.querySelector("form"), told = document.querySelector("output");
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  if (form.password.value !== form.again.value) { told.value = "The two passwords differ."; return; }
  const body = {secret: location.hash.slice(1), name: form.user.value, password: form.password.value};
  told.value = "…";
  try {
    const answer = await fetch("api/v1/auth/setup",
      {method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(body)});
    const said = await answer.json();
    if (answer.ok) { form.hidden = true; told.value = `Done: ${said.user.name} can log in now, as admin.`; return; }
    const faults = (said.errors || []).map((fault) => `${fault.field} ${fault.message}`);
    told.value = [said.detail || said.title, ...faults].join("; ");
  } catch { told.value = "The site did not answer. Try again."; }
});
"""

PAGE = f"""<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Set up Wallport</title>
<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body><h1>Set up Wallport</h1>
<form><label>Your name<input name="user" maxlength="64" autocomplete="username" required></label>
<label>Password, at least 10 characters<input name="password" type="password" minlength="10" maxlength="256"
 autocomplete="new-password" required></label>
<label>The same again<input name="again" type="password" autocomplete="new-password" required></label>
<button>Make the first admin</button></form><p><output></output></p><script>{_SCRIPT}</script></body></html>
"""


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


SECURITY_POLICY = (
    f"default-src 'none'; script-src 'sha256-{_digest(_SCRIPT)}'; style-src 'sha256-{_digest(_STYLE)}'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""This script and this style alone, and requests to the site itself."""
