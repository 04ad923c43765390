/** What the API answers to a GET, for a page: asked when `path` changes, what was known stays until then. */
import { useCallback, useEffect, useState } from "preact/hooks";

import { ask } from "../api/client";

export interface Answer<T> {
  readonly data: T | null;
  readonly fault: unknown;
  readonly isAsking: boolean;
  readonly again: () => void;
}

export function useAnswer<T>(path: string): Answer<T> {
  const [round, setRound] = useState(0);
  const [shown, setShown] = useState<{ data: T | null; fault: unknown; path: string | null }>({ data: null, fault: null, path: null });
  useEffect(() => {
    const gone = new AbortController();
    ask<T>(path, { signal: gone.signal })
      .then((data) => setShown({ data, fault: null, path }))
      .catch((fault: unknown) => {
        if (!gone.signal.aborted) setShown((before) => ({ data: before.data, fault, path }));
      });
    return () => gone.abort();
  }, [path, round]);
  const again = useCallback(() => setRound((before) => before + 1), []);
  return { data: shown.data, fault: shown.fault, isAsking: shown.path !== path, again };
}
