import { expect, test } from "vitest";

import { bounds, isBefore, shifted } from "./months";

test("a month ends where the next begins, also at the turn of the year", () => {
  expect(bounds({ year: 2026, month: 12 })).toEqual({ from: "2026-12-01", to: "2027-01-01" });
  expect(bounds({ year: 2026, month: 2 })).toEqual({ from: "2026-02-01", to: "2026-03-01" });
});

test("shifting goes both ways", () => {
  expect(shifted({ year: 2026, month: 1 }, -1)).toEqual({ year: 2025, month: 12 });
  expect(shifted({ year: 2026, month: 11 }, 14)).toEqual({ year: 2028, month: 1 });
  expect(isBefore({ year: 2025, month: 12 }, { year: 2026, month: 1 })).toBe(true);
});
