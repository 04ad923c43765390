/**
 * Requests that need more than a login: a code of the authenticator app, or the password again. It is asked for in place.
 *
 * At home a code opens five minutes; through a relay, which could repeat it, each request brings a code of its own. What
 * the API answers on LAN alone stays refused, in words.
 */
import { signal } from "@preact/signals";

import { ask, type Asked } from "./client";
import { codeOf } from "./problem";

export type Proof = "code" | "password";

interface Question {
  readonly proof: Proof;
  /** Why it is asked again; null the first time. */
  readonly fault: unknown;
  readonly answer: (given: string | null) => void;
}

/** What the page's dialog asks for now; null: nothing. */
export const question = signal<Question | null>(null);

/** Like `ask`; returns null if the person gave up the question. */
export async function askElevated<T>(path: string, asked: Asked = {}): Promise<T | null> {
  let now = asked;
  let fault: unknown = null; // of the last proof
  for (;;) {
    try {
      return await ask<T>(path, now);
    } catch (caught) {
      const code = codeOf(caught);
      if (code === "elevation_required") {
        if (!(await elevate())) return null;
      } else if (code === "code_required") {
        const given = await answered("code", fault);
        if (given === null) return null;
        now = { ...now, headers: { ...now.headers, "Wallport-Code": given } };
      } else if (code === "password_required") {
        const given = await answered("password", fault);
        if (given === null) return null;
        now = { ...now, body: { ...(now.body as object | undefined), password: given } };
      } else if ((code === "wrong_code" || code === "login_failed") && now !== asked) {
        fault = caught;
        const given = await answered(code === "wrong_code" ? "code" : "password", fault);
        if (given === null) return null;
        now =
          code === "wrong_code"
            ? { ...now, headers: { ...now.headers, "Wallport-Code": given } }
            : { ...now, body: { ...(now.body as object), password: given } };
      } else {
        throw caught;
      }
    }
  }
}

async function elevate(): Promise<boolean> {
  let fault: unknown = null;
  for (;;) {
    const given = await answered("code", fault);
    if (given === null) return false;
    try {
      await ask("auth/elevate", { method: "POST", body: { code: given } });
      return true;
    } catch (caught) {
      if (codeOf(caught) !== "wrong_code") throw caught;
      fault = caught;
    }
  }
}

function answered(proof: Proof, fault: unknown): Promise<string | null> {
  return new Promise((resolve) => {
    question.value = {
      proof,
      fault,
      answer: (given) => {
        question.value = null;
        resolve(given);
      },
    };
  });
}
