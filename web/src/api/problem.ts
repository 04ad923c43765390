/** What the API refuses, as an error with a code; and what no API answered at all. */
import type { Command, ProblemBody } from "./types";

export class Problem extends Error {
  readonly code: string;
  readonly status: number;
  readonly faults: readonly { readonly field: string; readonly message: string }[];
  /** In words of the API, which are English; `code` is what texts in other languages are chosen by. */
  readonly detail: string;
  /** What became of a command that will not be done. */
  readonly command: Command | null;

  constructor(body: Partial<ProblemBody>, status: number) {
    super(body.title ?? `HTTP ${status}`);
    this.name = "Problem";
    this.code = body.code ?? "unknown";
    this.status = status;
    this.faults = body.errors ?? [];
    this.detail = body.detail ?? "";
    this.command = (body as { readonly command?: Command }).command ?? null;
  }
}

/** Nobody answered: no network, or the site is away. */
export class Unreachable extends Error {
  constructor() {
    super("nobody answered");
    this.name = "Unreachable";
  }
}

export function codeOf(fault: unknown): string {
  if (fault instanceof Problem) return fault.code;
  return fault instanceof Unreachable ? "unreachable" : "unknown";
}
