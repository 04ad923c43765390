/** A change of the live channel, applied to a state. Pure. */
import type { SiteState } from "../api/types";

type Tree = { readonly [name: string]: unknown };

/** Returns a new state; parts that did not change are the same objects as before. Nulls come first, as the API says. */
export function applied(state: SiteState, changes: Readonly<Record<string, unknown>>): SiteState {
  const paths = Object.keys(changes).sort((one, other) => Number(changes[other] === null) - Number(changes[one] === null));
  let next = state as unknown as Tree;
  for (const path of paths) next = put(next, path.split("."), changes[path]);
  return next as unknown as SiteState;
}

/** The state after a change that occurred at `at`; what nobody vouches for any more keeps the instant of its last value. */
export function changed(state: SiteState, changes: Readonly<Record<string, unknown>>, at: string | null): SiteState {
  const next = applied(state, changes);
  return next.is_stale || at === null ? next : { ...next, updated_at: at };
}

const COLLECTIONS = new Set(["charge_points", "devices", "vehicles"]);

function put(tree: Tree, path: readonly string[], value: unknown): Tree {
  const [name, ...rest] = path as [string, ...string[]];
  if (rest.length === 0) return { ...tree, [name]: value };
  const below = (tree[name] ?? {}) as Tree;
  if (COLLECTIONS.has(name) && rest.length === 1 && value === null) {
    const { [rest[0] as string]: _gone, ...left } = below;
    return { ...tree, [name]: left };
  }
  return { ...tree, [name]: put(below, rest, value) };
}
