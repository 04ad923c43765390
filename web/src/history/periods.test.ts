import { expect, test } from "vitest";

import { at, bounds, isNow, shifted } from "./periods";

const NOVEMBER = new Date(2026, 10, 30, 15);

test.each([
  ["day", { from: "2026-11-30", to: "2026-12-01" }],
  ["month", { from: "2026-11-01", to: "2026-12-01" }],
  ["year", { from: "2026-01-01", to: "2027-01-01" }],
] as const)("the bounds of a %s", (span, expected) => {
  expect(bounds(at(span, NOVEMBER))).toEqual(expected);
});

test("going back keeps to whole spans", () => {
  expect(bounds(shifted(at("day", new Date(2026, 2, 1)), -1))).toEqual({ from: "2026-02-28", to: "2026-03-01" });
  expect(bounds(shifted(at("month", new Date(2026, 0, 31)), -1))).toEqual({ from: "2025-12-01", to: "2026-01-01" });
  expect(bounds(shifted(at("year", NOVEMBER), -2)).from).toBe("2024-01-01");
});

test("the present span is known", () => {
  expect(isNow(at("month", new Date(2026, 10, 1)), NOVEMBER)).toBe(true);
  expect(isNow(shifted(at("day", NOVEMBER), -1), NOVEMBER)).toBe(false);
});
