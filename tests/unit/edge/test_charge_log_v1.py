"""openWB 1.9's charge log: its rows of three ages, and whatever else may stand in such a file."""

from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from common.model import Mode
from edge.charge_log import v1
from edge.charge_log.entries import MOST_S, MOST_WH, BadLine, Entry

BERLIN = ZoneInfo("Europe/Berlin")
ROW = "14.07.25-18:02,14.07.25-21:37,112,19.07,5.32,3 H 35 Min,1,2,0004A376A2,5.72"


def parsed(*rows: str) -> list[Entry]:
    found = v1.parse("\n".join([*rows, "", ""]).encode(), BERLIN)
    assert found.bad == ()
    return list(found.entries)


def reasons(*rows: str) -> list[BadLine]:
    found = v1.parse("\n".join(rows).encode(), BERLIN)
    assert found.entries == ()
    return list(found.bad)


def test_a_row_of_ten_columns() -> None:
    """Local summer time, kWh as Wh, the tag as it is, the cost in thousandths of a cent; no meter readings."""
    assert parsed(ROW) == [
        Entry(
            charge_point="1",
            started_at=1_752_508_920,
            ended_at=1_752_521_820,
            energy_wh=19_070,
            charging_s=3 * 3600 + 35 * 60,
            mode=Mode.PV,
            tag="0004A376A2",
            cost_millicents=572_000,
        )
    ]


def test_rows_of_older_releases_have_eight_and_nine_columns() -> None:
    """Without cost, and without tag; all ages may stand in one file."""
    nine, eight = ROW.rsplit(",", 1)[0], ROW.rsplit(",", 2)[0]
    newest, older, oldest = reversed(parsed(ROW, nine, eight))
    assert (newest.tag, newest.cost_millicents) == ("0004A376A2", 572_000)
    assert (older.tag, older.cost_millicents) == ("0004A376A2", None)
    assert (oldest.tag, oldest.cost_millicents, oldest.energy_wh) == (None, None, 19_070)


def test_entries_come_oldest_first() -> None:
    """The file has the newest row on top."""
    later = ROW.replace("14.07.25", "15.07.25")
    assert [entry.started_at for entry in parsed(later, ROW)] == [1_752_508_920, 1_752_508_920 + 86_400]


@pytest.mark.parametrize(
    ("kwh", "wh"), [(".45", 450), ("0", 0), ("12", 12_000), ("12.", 12_000), (" 3.10 ", 3_100), ("19.0749", 19_075)]
)
def test_numbers_as_bc_prints_them(kwh: str, wh: int) -> None:
    """Without a zero before the point, with blanks, with more digits than usual."""
    assert parsed(ROW.replace("19.07", kwh))[0].energy_wh == wh


@pytest.mark.parametrize(
    ("tag", "kept"), [("0", None), ("", None), ("0000123456", "0000123456"), ("1E5", "1E5"), (" A1 ", "A1")]
)
def test_tags_are_text(tag: str, kept: str | None) -> None:
    """Leading zeros and hexadecimal digits stay; 0 is none."""
    assert parsed(ROW.replace("0004A376A2", tag))[0].tag == kept


@pytest.mark.parametrize(
    ("number", "mode"),
    [("0", Mode.INSTANT), ("1", Mode.MIN_PV), ("3", Mode.STOP), ("4", Mode.STANDBY), ("7", Mode.SCHEDULED), ("", None)],
)
def test_modes(number: str, mode: Mode | None) -> None:
    """7 is charging by night or target; it may be missing, and then is unknown."""
    assert parsed(ROW.replace(",1,2,", f",1,{number},"))[0].mode == mode


def test_a_duration_that_is_not_said_is_unknown() -> None:
    """openWB writes `--`."""
    assert parsed(ROW.replace("3 H 35 Min", "--"))[0].charging_s is None
    assert parsed(ROW.replace("3 H 35 Min", "45 Min"))[0].charging_s == 2700


FIRST = 1_761_436_800  # Sun Oct 26 02:00 CEST 2025; an hour later it is 02:00 CET


@pytest.mark.parametrize(
    ("start", "end", "duration", "expected"),
    [
        ("26.10.25-01:50", "26.10.25-02:10", "20 Min", (FIRST - 600, FIRST + 600)),
        ("26.10.25-01:50", "26.10.25-02:10", "1 H 20 Min", (FIRST - 600, FIRST + 4200)),
        ("26.10.25-02:50", "26.10.25-02:10", "20 Min", (FIRST + 3000, FIRST + 4200)),
        ("26.10.25-02:50", "26.10.25-03:10", "20 Min", (FIRST + 6600, FIRST + 7800)),
        ("26.10.25-02:50", "26.10.25-03:10", "1 H 20 Min", (FIRST + 3000, FIRST + 7800)),
        ("26.10.25-02:10", "26.10.25-02:30", "--", (FIRST + 600, FIRST + 1800)),
    ],
)
def test_the_hour_that_comes_twice(start: str, end: str, duration: str, expected: tuple[int, int]) -> None:
    """The duration says which one is meant; where it does not, the first."""
    (entry,) = parsed(f"{start},{end},1,2.00,6.00,{duration},1,0,0,0.60")
    assert (entry.started_at, entry.ended_at) == expected


def test_two_rows_of_one_minute_are_two() -> None:
    """Where the wallbox's loop is fast; a line that is there twice is one."""
    row = "14.07.25-18:02,14.07.25-18:02,1,.10,6.00,0 Min,1,0,0,.03"
    later = row.replace(".10", ".20").replace("-18:02,1,", "-18:03,1,")
    last = row.replace(".10", ".30")
    found = v1.parse("\n".join([last, later, row, row]).encode(), BERLIN)
    starts = [(entry.started_at, entry.ended_at, entry.energy_wh) for entry in found.entries]
    begin = 1_752_508_920
    assert starts == [(begin, begin, 100), (begin + 1, begin + 60, 200), (begin + 2, begin + 2, 300)]
    assert found.bad == (BadLine(3, "it is there twice"),)


def test_the_second_of_two_like_rows_is_in_the_second_hour() -> None:
    """Two charges of one charge point do not overlap; those of two may."""
    row = "26.10.25-02:10,26.10.25-02:30,1,2.00,6.00,20 Min,1,0,0,0.60"
    later = row.replace("2.00", "2.01")
    assert [entry.started_at for entry in parsed(later, row)] == [FIRST + 600, FIRST + 4200]
    other = row.replace(",1,0,", ",2,0,")
    assert [entry.started_at for entry in parsed(other, row)] == [FIRST + 600, FIRST + 600]


def test_charges_of_two_charge_points_keep_their_order_in_the_hour_that_comes_twice() -> None:
    """The row on top was written later, so its charge did not end before the other's."""
    early = "26.10.25-02:40,26.10.25-02:50,1,2.00,6.00,10 Min,1,0,0,0.60"
    late = "26.10.25-02:10,26.10.25-02:20,1,2.00,6.00,10 Min,2,0,0,0.60"
    assert [(entry.charge_point, entry.started_at) for entry in parsed(late, early)] == [
        ("1", FIRST + 2400),
        ("2", FIRST + 4200),
    ]
    assert [(entry.charge_point, entry.started_at) for entry in parsed(early, late)] == [
        ("2", FIRST + 600),
        ("1", FIRST + 2400),
    ]


def test_the_hour_that_is_missing() -> None:
    """A clock that was not set forward yet showed it: 02:30 is 03:30."""
    (entry,) = parsed("30.03.25-01:30,30.03.25-02:30,1,2.00,2.00,1 H 0 Min,1,0,0,0.60")
    assert (entry.started_at, entry.ended_at) == (1_743_294_600, 1_743_298_200)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("14.07.25-18:02,14.07.25-21:37,112", "3 columns, not 8, 9 or 10"),
        (ROW + ",x", "11 columns, not 8, 9 or 10"),
        (ROW.replace("14.07.25-18:02", "32.07.25-18:02"), "a time does not exist"),
        (ROW.replace("14.07.25-18:02", "14.07.2025 18:02"), "a time is not dd.mm.yy-HH:MM"),
        (ROW.replace("14.07.25-18:02", "14.07.25-22:02"), "it ends before it starts"),
        (ROW.replace("14.07.25-18:02", "14.01.25-18:02"), "it lasts too long"),
        (ROW.replace("19.07", "x"), "the energy is no number"),
        (ROW.replace("19.07", "1e1"), "the energy is no number"),
        (ROW.replace("19.07", "-1"), "the energy cannot be"),
        (ROW.replace("19.07", "2310.48"), "the energy cannot be"),
        (ROW.replace(",1,2,", ",x,2,"), "the charge point is no number"),
    ],
)
def test_a_bad_row_is_named_by_its_line(row: str, reason: str) -> None:
    """The lines count from the top of the file, empty ones too."""
    assert reasons("", row) == [BadLine(2, reason)]


def test_bad_rows_do_not_spoil_good_ones() -> None:
    """Also behind a byte order mark and with Windows' line ends."""
    found = v1.parse(f"\ufeff{ROW}\r\nx\r\n{ROW.replace('14.07', '13.07')}\r\n\r\n".encode(), BERLIN)
    assert len(found.entries) == 2
    assert found.bad == (BadLine(2, "1 columns, not 8, 9 or 10"),)


QUOTED = ",".join(f'"{field}"' for field in ROW.split(","))
COMMAS = ";".join(field.replace(".", ",") if field.count(".") == 1 else field for field in ROW.split(","))


@pytest.mark.parametrize(
    "content",
    [
        COMMAS.encode(),
        f"\ufeffsep=;\r\n{COMMAS}\r\n;;;;;;;;;\r\n".encode(),
        ROW.replace(",", "\t").encode("utf-16"),
        f"\ufeff{ROW}\r\n".encode("utf-16-be"),
        f"{ROW}\r\n".encode("utf-16-le"),
        ROW.encode("utf-32"),
        f"{ROW}\r{ROW.replace('14.07', '13.07')}\r".encode(),
        f'"{ROW}"'.encode(),
        QUOTED.encode(),
        QUOTED.replace("19.07", "19,07").encode(),
        f'"{COMMAS}"'.encode(),
    ],
)
def test_what_a_spreadsheet_saved_again_is_read(content: bytes) -> None:
    """Semicolons, tabs, quotes, decimal commas, UTF-16, old line ends: the charge is the same."""
    found = v1.parse(content, BERLIN)
    assert found.bad == ()
    assert found.entries[-1] == parsed(ROW)[0]


def test_rows_that_a_spreadsheet_filled_up() -> None:
    """To the length of the longest: what older releases did not write stays unknown."""
    eight = COMMAS.rsplit(";", 2)[0]
    older, newer = v1.parse(f"{COMMAS}\n{eight.replace('14.07', '13.07')};;\n".encode(), BERLIN).entries
    assert (newer.tag, newer.cost_millicents) == ("0004A376A2", 572_000)
    assert (older.tag, older.cost_millicents, older.energy_wh) == (None, None, 19_070)


@pytest.mark.parametrize("tag", ["1,23E+09", "1E+05", "1.2E+10"])
def test_a_tag_that_a_spreadsheet_took_for_a_number_is_unknown(tag: str) -> None:
    """Its digits are gone; the charge is not."""
    assert v1.parse(COMMAS.replace("0004A376A2", tag).encode(), BERLIN).entries[0].tag is None


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"PK\x03\x04\x14\x00", "the file is a spreadsheet's own; save it as CSV"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "the file is a spreadsheet's own; save it as CSV"),
        (
            COMMAS.replace(";", ",").encode(),
            "13 columns, not 8, 9 or 10; decimal commas need another separator, or quotes",
        ),
        (COMMAS.replace("19,07", "07. Jul").encode(), "the energy is no number"),
        (COMMAS.replace("14.07.25-18:02", "14.07.2025 18:02").encode(), "a time is not dd.mm.yy-HH:MM"),
    ],
)
def test_what_a_spreadsheet_spoilt_is_refused_with_the_true_reason(content: bytes, reason: str) -> None:
    found = v1.parse(content, BERLIN)
    assert (found.entries, found.bad) == ((), (BadLine(1, reason),))


_PIECES = st.sampled_from(
    [
        ",",
        "\n",
        ".",
        "-",
        ":",
        "0",
        "1",
        "26.10.25-02:10",
        "Min",
        "H ",
        "\x00",
        "ü",
        "\ufeff",
        ROW,
        ";",
        '"',
        "\r",
        QUOTED,
    ]
)


@given(st.one_of(st.binary(max_size=300), st.lists(_PIECES, max_size=60).map("".join).map(str.encode)))
@example(b"\xff\xfe,,,,,,,")
@example("٣٠.٠٧.٢٥-١٨:٠٢,14.07.25-21:37,112,19.07,5.32,45 Min,1,2".encode())
def test_whatever_the_bytes_are_nothing_is_raised(content: bytes) -> None:
    """Each line that holds something is an entry within bounds, or a bad line with its number."""
    found = v1.parse(content, BERLIN)
    if b"\x00" not in content and not content.startswith(
        (b"\xff\xfe", b"\xfe\xff", b"PK", b"\xd0\xcf", b"sep=", b"SEP=")
    ):
        text = content.decode("utf-8-sig", errors="replace").replace("\r", "\n")
        assert len(found.entries) + len(found.bad) == len(
            [line for line in text.split("\n") if line.strip(' \t,;"').strip()]
        )
    assert len({entry.line for entry in found.entries} | {bad.number for bad in found.bad}) == len(
        [*found.entries, *found.bad]
    )
    for entry in found.entries:
        assert 0 <= entry.ended_at - entry.started_at <= MOST_S
        assert 0 <= entry.energy_wh <= MOST_WH
    assert all(bad.number >= 1 for bad in found.bad)
