import { expect, test } from "vitest";

import type { SiteState } from "../api/types";
import { picture } from "./flow";

function site(grid: number | null, pv: number | null, battery: number | null, home: number | null, cars: readonly (number | null)[]): SiteState {
  const points = Object.fromEntries(cars.map((power_w, index) => [String(index + 1), { power_w, name: `P${index + 1}`, vehicle: null }]));
  return {
    grid: { power_w: grid },
    pv: { power_w: pv },
    battery: battery === null ? null : { power_w: battery },
    home: { power_w: home },
    charge_points: points,
  } as unknown as SiteState;
}

test("who gives is on the left and who takes on the right, by the sign of the meters", () => {
  const drawn = picture(site(-500, 8000, 1500, 700, [5300]), 100);
  expect(drawn?.sources.map(({ id }) => id)).toEqual(["sun"]);
  expect(drawn?.sinks.map(({ id, watts }) => [id, watts])).toEqual([
    ["car-1", 5300],
    ["house", 700],
    ["battery", 1500],
    ["grid", 500],
  ]);
  const night = picture(site(3000, 0, -2000, 1000, [4000]), 100);
  expect(night?.sources.map(({ id }) => id)).toEqual(["battery", "grid"]);
  expect(night?.sinks.map(({ id }) => id)).toEqual(["car-1", "house"]);
});

test("every taker has a band from every giver, and no end lies outside", () => {
  const drawn = picture(site(1000, 3000, -500, 1500, [2000, 1000]), 100);
  expect(drawn?.bands).toHaveLength(9);
  for (const end of [...(drawn?.sources ?? []), ...(drawn?.sinks ?? [])]) {
    expect(end.y).toBeGreaterThanOrEqual(0);
    expect(end.y + end.height).toBeLessThanOrEqual((drawn?.height ?? 0) + 0.001);
  }
});

test("nothing is drawn of what is unknown or does not flow", () => {
  expect(picture(site(null, null, null, null, [null]), 100)).toBeNull();
  expect(picture(site(3, 0, null, 10, [0]), 100)).toBeNull();
});
