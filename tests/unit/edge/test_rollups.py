"""Energy out of samples, without a database."""

from hypothesis import given
from hypothesis import strategies as st

from common.store.rollup_rows import QUARTER_S, Edges, Mark, Reading, Window
from common.store.rows import ChargePointSampleRow, SampleRow
from edge.rollups import Point, Reckoner, counted_wh, energies, series_of, spread

START = 1_800_000_000  # a full hour
HOUR = Window(START, START + 3600, reach_s=300)


def told(window: Window, points: list[Point], edges: Edges = Edges()) -> list[tuple[int, int, int, str]]:  # noqa: B008 -- frozen
    """Number of the quarter, Wh, seconds covered, method."""
    rows = energies(window, "pv", points, edges)
    return [((row.starts_at - START) // 900, row.energy_wh, row.covered_s, row.method.value) for row in rows]


def minutes(first: int, readings: list[int | None], power_w: int | None = None) -> list[Point]:
    return [Point(START + 60 * (first + number), wh, power_w) for number, wh in enumerate(readings)]


class TestEnergies:
    def test_a_quarter_has_what_the_meter_counted_between_its_edges(self) -> None:
        """Power has no say where a meter tells."""
        readings = minutes(-1, [1000 + 10 * minute for minute in range(62)], power_w=99_999)
        assert told(HOUR, readings) == [(quarter, 150, 900, "meter") for quarter in range(4)]

    def test_without_a_meter_power_is_integrated(self) -> None:
        """Straight between two samples: 0 to 1200 W within the hour are 600 Wh."""
        ramp = [Point(START + 60 * minute, None, 20 * minute) for minute in range(61)]
        assert told(HOUR, ramp) == [
            (0, 38, 900, "power"),
            (1, 112, 900, "power"),
            (2, 188, 900, "power"),
            (3, 262, 900, "power"),
        ]

    def test_a_gap_is_bridged_by_the_meter_and_counted_as_not_covered(self) -> None:
        """What flowed meanwhile is spread evenly over the gap."""
        points = minutes(-1, [1000, 1000, 1010]) + minutes(31, [1310, 1310])
        assert told(HOUR, points) == [(0, 150, 60, "meter"), (1, 150, 0, "meter"), (2, 10, 60, "meter")]

    def test_without_a_meter_a_gap_is_a_gap(self) -> None:
        points = minutes(0, [None, None], 600) + minutes(31, [None, None], 600)
        assert told(HOUR, points) == [(0, 10, 60, "power"), (2, 10, 60, "power")]

    def test_readings_around_the_window_tell_of_what_is_inside(self) -> None:
        """A wallbox that was silent for hours, with not one sample in the window."""
        edges = Edges(Reading(START - 3600, 1000), Reading(START + 7200, 1003))
        assert told(HOUR, [], edges) == [(0, 0, 0, "meter"), (1, 0, 0, "meter"), (2, 0, 0, "meter"), (3, 1, 0, "meter")]

    def test_a_meter_that_shows_zero_for_a_moment_was_not_reset(self) -> None:
        """openWB's meters do at boot."""
        points = minutes(0, [5000, 0, 0, 5003, 5004])
        assert told(HOUR, points) == [(0, 4, 240, "meter")]

    def test_a_drop_begins_a_new_count(self) -> None:
        """What flowed between the two readings is taken from power, if that is known."""
        assert told(HOUR, minutes(0, [5000, 5010, 20, 30])) == [(0, 20, 120, "meter")]
        assert told(HOUR, minutes(0, [5000, 5010, 20, 30], power_w=600)) == [(0, 30, 180, "mixed")]

    def test_a_meter_swapped_for_one_that_reads_more_begins_a_new_count(self) -> None:
        """No house draws 500 kW."""
        assert told(HOUR, minutes(0, [5000, 5010, 9_000_000, 9_000_010])) == [(0, 20, 120, "meter")]
        assert counted_wh(Reading(0, 5000), Reading(60, 5000 + 8333)) == 8333
        assert counted_wh(Reading(0, 5000), Reading(60, 5000 + 8334)) is None

    def test_after_a_quarter_of_a_year_nobody_knows_when_it_flowed(self) -> None:
        assert counted_wh(Reading(0, 5000), Reading(92 * 86_400, 5001)) == 1
        assert counted_wh(Reading(0, 5000), Reading(92 * 86_400 + 1, 5001)) is None

    def test_power_before_the_first_reading_counts(self) -> None:
        """Of a meter that is new, or of samples that were imported without one."""
        points = [*minutes(0, [None, None], 600), Point(START + 120, 1000, 600), Point(START + 180, 1010, 600)]
        assert told(HOUR, points) == [(0, 30, 180, "mixed")]

    @given(
        st.lists(st.tuples(st.integers(5, 5000), st.integers(0, 300)), min_size=1, max_size=40),
        st.integers(1, 12),
    )
    def test_quarters_add_up_to_what_the_meter_counted(self, steps: list[tuple[int, int]], cut: int) -> None:
        """To the Wh, whatever the steps, and however the time is cut into windows."""
        points = [Point(START + 7, 1000)]
        for after_s, wh in steps:
            points.append(Point(points[-1].at + after_s, (points[-1].wh or 0) + wh))
        end = (points[-1].at // QUARTER_S + 1) * QUARTER_S
        total = 0
        for from_s in range(START, end, cut * QUARTER_S):
            window = Window(from_s, min(end, from_s + cut * QUARTER_S), 300)
            inside = [point for point in points if window.from_s - 300 <= point.at <= window.to_s + 300]
            before = [Reading(point.at, point.wh or 0) for point in points if point.at < window.from_s - 300]
            after = [Reading(point.at, point.wh or 0) for point in points if point.at > window.to_s + 300]
            edges = Edges(before[-1] if before else None, after[0] if after else None)
            total += sum(row.energy_wh for row in energies(window, "pv", inside, edges))
        assert total == (points[-1].wh or 0) - 1000


class TestSeries:
    def test_both_directions_are_series_of_their_own(self) -> None:
        row = SampleRow(
            sampled_at=START,
            grid_power_w=-500,
            battery_power_w=300,
            battery_charged_wh=7,
            home_power_w=200,
            charge_points=(ChargePointSampleRow(charge_point="1", power_w=0, meter_wh=9),),
        )
        assert series_of([row, SampleRow(sampled_at=START + 60)]) == {
            "grid_import": [Point(START, None, 0)],
            "grid_export": [Point(START, None, 500)],
            "battery_charge": [Point(START, 7, 300)],
            "battery_discharge": [Point(START, None, 0)],
            "home": [Point(START, None, 200)],
            "charge_point:1": [Point(START, 9, 0)],
        }


class TestWindow:
    def test_a_sample_changes_the_quarters_around_it(self) -> None:
        window, left = Reckoner(60).window([Mark(START + 60, START + 61, is_new=True)])
        assert (window, left) == (Window(START - 900, START + 900, 300, (Mark(START + 60, START + 61, True),)), [])

    def test_marks_that_join_are_one_window_and_the_others_wait(self) -> None:
        marks = [Mark(START + 60 * minute, START + 60 * minute + 1, is_new=True) for minute in range(30)]
        far = Mark(START + 864_000, START + 864_001, is_new=False)
        window, left = Reckoner(60).window([far, *marks])
        assert window is not None
        assert (window.from_s, window.to_s, left) == (START - 900, START + 2700, [far])

    def test_a_long_stretch_is_done_piece_by_piece(self) -> None:
        """Each turn is bounded, and all turns together compute every quarter."""
        reckoner, seen = Reckoner(60), set()
        marks = [Mark(START, START + 30 * 86_400, is_new=True)]
        for _ in range(40):
            window, marks = reckoner.window(marks)
            if window is None:
                break
            assert window.to_s - window.from_s <= 200 * QUARTER_S
            seen |= set(range(window.from_s, window.to_s, QUARTER_S))
        assert marks == []
        assert seen >= set(range(START - 900, START + 30 * 86_400 + 900, QUARTER_S))

    def test_nothing_is_computed_from_what_was_deleted(self) -> None:
        """Not a quarter before the first day of which all samples are kept."""
        reckoner = Reckoner(60, not_before=START)
        assert reckoner.window([Mark(START - 7200, START - 7100, is_new=True)]) == (None, [])
        window, _ = reckoner.window([Mark(START - 7200, START + 1, is_new=True)])
        assert window is not None
        assert (window.from_s, window.to_s) == (START, START + 900)


class TestSpread:
    NEW = Window(START, START + 900, 300, (Mark(START + 60, START + 61, True),))

    def test_the_first_reading_after_a_gap_changes_all_of_the_gap(self) -> None:
        found = spread(self.NEW, minutes(1, [1100]), Edges(Reading(START - 86_400, 1000), None))
        assert found == [Mark(START - 86_400, START, is_new=False)]

    def test_a_late_reading_inside_a_gap_divides_it(self) -> None:
        edges = Edges(Reading(START - 86_400, 1000), Reading(START + 86_400, 1200))
        assert spread(self.NEW, minutes(1, [1100]), edges) == [
            Mark(START - 86_400, START, is_new=False),
            Mark(START + 900, START + 86_400, is_new=False),
        ]

    def test_what_was_known_before_changes_nothing(self) -> None:
        """Else the gap would be computed again with each of the following samples."""
        edges = Edges(Reading(START - 86_400, 1000), None)
        assert spread(self.NEW, minutes(0, [1099, 1100]), edges) == []
