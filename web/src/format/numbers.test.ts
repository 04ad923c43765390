import { beforeAll, expect, test } from "vitest";

import { language } from "../texts";
import { energy, joined, money, percent, power } from "./numbers";

beforeAll(() => {
  language.value = "en";
});

test.each([
  [null, "– kW"],
  [0, "0 W"],
  [-4, "0 W"],
  [944, "940 W"],
  [950, "1.0 kW"],
  [-7249, "-7.2 kW"],
  [11_040, "11.0 kW"],
  [150_000, "150 kW"],
])("%s W is %s", (watts, shown) => {
  expect(joined(power(watts)).replace("\u202f", " ")).toBe(shown);
});

test("unknown is a dash and never 0", () => {
  expect(joined(energy(undefined))).toBe("–\u202fkWh");
  expect(joined(percent(null))).toBe("–\u202f%");
  expect(money(null)).toBe("–");
});

test.each([
  [120, "0.1 kWh"],
  [99_960, "100 kWh"],
  [12_345_678, "12.3 MWh"],
])("%s Wh is %s", (wattHours, shown) => {
  expect(joined(energy(wattHours)).replace("\u202f", " ")).toBe(shown);
});

test("German numbers have a comma", () => {
  language.value = "de";
  expect(energy(12_340).value).toBe("12,3");
  expect(money(1.5)).toBe("1,50\u00a0€");
  language.value = "en";
});
