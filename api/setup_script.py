"""The script of the setup page (setup_page.py): three steps, one after another. Pure text.

Texts stand in the page, as data; of an answer only what the page shows is read, and all of it as text.
"""

SCRIPT = """
"use strict";
const texts = JSON.parse(document.getElementById("texts").textContent);
const part = (name) => document.getElementById(name);
const secret = location.hash.slice(1);
let token = "", password = "";

function show(step) {
  for (const name of ["first", "login", "factor", "codes", "next"]) part(name).hidden = name !== step;
  const at = {first: 0, login: 0, factor: 1, codes: 1, next: 2}[step];
  document.querySelectorAll("ol.steps li").forEach((item, index) => {
    item.toggleAttribute("aria-current", index === at);
    item.classList.toggle("done", index < at);
  });
  const field = part(step).querySelector("input");
  if (field) field.focus(); else part(step).querySelector("h1").focus();
}

async function ask(path, body) {
  const headers = {"Content-Type": "application/json"};
  if (token) headers.Authorization = "Bearer " + token;
  let answer;
  try {
    answer = await fetch("api/v1/" + path, {method: "POST", headers, body: JSON.stringify(body)});
  } catch { throw new Error(texts.silent); }
  const said = answer.status === 204 ? {} : await answer.json().catch(() => ({}));
  if (answer.ok) return said;
  const faults = (said.errors || []).map((fault) => fault.field + " " + fault.message);
  throw new Error(texts.errors[said.code] || [said.detail || said.title || texts.silent, ...faults].join("; "));
}

function onSubmit(name, work) {
  const form = part(name).querySelector("form"), told = form.querySelector("output");
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = form.querySelector("button");
    told.value = ""; button.disabled = true;
    try { await work(form); } catch (error) { told.value = error.message; } finally { button.disabled = false; }
  });
}

async function beginFactor() {
  const made = await ask("me/totp", {password});
  part("qr").src = "data:image/svg+xml," + encodeURIComponent(made.svg);
  part("key").textContent = made.secret.replace(/(.{4})(?=.)/g, "$1 ");
  part("uri").href = made.uri;
  show("factor");
}

async function enter(said, typed) {
  token = said.access_token; password = typed;
  history.replaceState(null, "", location.pathname);
  try { await beginFactor(); } catch (error) { part("skipped").textContent = error.message; show("next"); }
}

onSubmit("first", async (form) => {
  if (form.password.value !== form.again.value) throw new Error(texts.differ);
  await enter(await ask("auth/setup", {secret, name: form.user.value, password: form.password.value}),
  form.password.value);
});
onSubmit("login", async (form) => {
  await enter(await ask("auth/login", {username: form.user.value, password: form.password.value}), form.password.value);
});
onSubmit("factor", async (form) => {
  const said = await ask("me/totp/confirm", {code: form.code.value.replace(/\\s/g, "")});
  for (const code of said.recovery_codes) {
    const item = document.createElement("li"), text = document.createElement("code");
    text.textContent = code; item.append(text); part("list").append(item);
  }
  show("codes");
});
part("later").addEventListener("click", () => { part("skipped").textContent = texts.later; show("next"); });
part("print").addEventListener("click", () => window.print());
part("kept").addEventListener("click", () => show("next"));
addEventListener("pagehide", () => { if (token) fetch("api/v1/auth/logout",
  {method: "POST", keepalive: true, headers: {Authorization: "Bearer " + token}}).catch(() => {}); });
show(secret ? "first" : "login");
"""
