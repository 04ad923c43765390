import { expect, test } from "vitest";

import { decoded } from "./decoded";

test("an address that is cut short is taken as it stands", () => {
  expect(decoded("a%20b")).toBe("a b");
  expect(decoded("%E0%A4%A")).toBe("%E0%A4%A");
});
