/**
 * One wish to the wallbox, from the tap to the wallbox's word: pending, then confirmed, or why not.
 *
 * The API answers within some seconds or hands over an id; what follows is told by the live connection. A lost answer is
 * asked for again with the same key, so a wish is never sent twice.
 */
import { signal } from "@preact/signals";

import { ask } from "../api/client";
import { Problem, Unreachable } from "../api/problem";
import type { ChargePointBody, Command } from "../api/types";
import { commands, noteCommand } from "../live/site";

export type Wished = keyof ChargePointBody;

export interface Wish {
  readonly body: ChargePointBody;
  /** Null until the API took it. */
  readonly id: string | null;
  readonly fault: unknown;
}

/** The newest wish of each charge point and member. */
export const wishes = signal<ReadonlyMap<string, Wish>>(new Map());

const SETTLED = new Set<Command["status"]>(["confirmed", "rejected", "timed_out", "superseded"]);
const TRIES = 3;
const PATIENCE_MS = 12_000; // of each: the API answers within 5 s, and a person waits for no more than half a minute

export async function wish(point: string, body: ChargePointBody): Promise<void> {
  const places = Object.keys(body).map((name) => placeOf(point, name as Wished));
  const note = (next: Wish): void => {
    wishes.value = new Map([...wishes.value, ...places.map((place) => [place, next] as const)]);
  };
  note({ body, id: null, fault: null });
  try {
    const command = await asked(point, body);
    noteCommand(command);
    note({ body, id: command.id, fault: null });
  } catch (fault) {
    const command = fault instanceof Problem ? fault.command : null;
    if (command !== null) noteCommand(command);
    note(command === null ? { body, id: null, fault } : { body, id: command.id, fault: null });
  }
}

export type Outcome =
  | { readonly is: "none" }
  | { readonly is: "pending"; readonly body: ChargePointBody }
  | { readonly is: "confirmed"; readonly command: Command }
  | { readonly is: "refused"; readonly command: Command }
  | { readonly is: "failed"; readonly fault: unknown };

/** What became of the newest wish for this member of this charge point. Reads signals: call it while rendering. */
export function outcomeOf(point: string, name: Wished): Outcome {
  const newest = wishes.value.get(placeOf(point, name));
  if (newest === undefined) return { is: "none" };
  if (newest.fault !== null) return { is: "failed", fault: newest.fault };
  const command = newest.id === null ? undefined : commands.value.get(newest.id);
  if (command === undefined || !SETTLED.has(command.status)) return { is: "pending", body: newest.body };
  return command.status === "confirmed" ? { is: "confirmed", command } : { is: "refused", command };
}

async function asked(point: string, body: ChargePointBody): Promise<Command> {
  const key = crypto.getRandomValues(new Uint32Array(4)).join("-");
  for (let attempt = 1; ; attempt++) {
    try {
      const path = `chargepoints/${encodeURIComponent(point)}`;
      const headers = { "Idempotency-Key": key };
      return await ask<Command>(path, { method: "PATCH", body, headers, patienceMs: PATIENCE_MS });
    } catch (fault) {
      if (!(fault instanceof Unreachable) || attempt === TRIES) throw fault;
    }
  }
}

function placeOf(point: string, name: Wished): string {
  return `${point} ${name}`;
}
