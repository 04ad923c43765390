/** One action of a form or button: whether it runs, and what went wrong. */
import { useState } from "preact/hooks";

export interface Action {
  readonly isBusy: boolean;
  readonly fault: unknown;
  readonly run: (work: () => Promise<void>) => void;
}

export function useAction(): Action {
  const [isBusy, setBusy] = useState(false);
  const [fault, setFault] = useState<unknown>(null);
  const run = (work: () => Promise<void>): void => {
    setBusy(true);
    setFault(null);
    work()
      .catch(setFault)
      .finally(() => setBusy(false));
  };
  return { isBusy, fault, run };
}
