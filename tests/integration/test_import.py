"""`wallport-edge import`: old files and the old backend's real tables, once each however often it runs."""

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from common.security.passwords import Passwords
from common.store import samples, scans, sessions, users, wallbox_log
from common.store.bind import Store, open_store
from common.store.rows import LogEntryRow, SampleRow, ScanFilter, SessionFilter, SessionRecord, SessionRow
from edge import import_cli
from tests.kit.old_backend import OldDatabase, old_database
from tests.kit.servers import Mariadb

REPOSITORY = Path(__file__).parents[2]
TEN = "14.07.25-18:02,14.07.25-21:37,112,19.07,5.32,3 H 35 Min,1,2,0004A376A2,5.72"
NINE = "02.03.21-08:00,02.03.21-08:45,10,1.50,2.00,45 Min,2,0,0"
EIGHT = "05.01.20-22:00,06.01.20-01:00,100,17.10,5.70,3 H 0 Min,1,7"
BAD = "05.01.20-22:00,06.01.20-01:00,100"
START = 1_752_508_920  # of TEN


class Site:
    """A site's database, and the command line over it."""

    def __init__(self, folder: Path, database_url: str) -> None:
        self._folder = folder
        self.database_url = database_url
        self.store: Store = open_store(database_url)

    def run(
        self, *arguments: str, as_process: bool = False, verb: str = "import"
    ) -> "subprocess.CompletedProcess[str]":
        """Its exit code and output; in this process, which is a second faster, or in one of its own."""
        environ = {name: value for name, value in os.environ.items() if not name.startswith("WALLPORT_")}
        environ |= {
            "WALLPORT_EDGE_MQTT_URL": "mqtt://127.0.0.1:1",
            "WALLPORT_DATABASE_URL": self.database_url,
            "WALLPORT_DATA_DIR": str(self._folder / "data"),
        }
        if not as_process and verb == "import":
            result = CliRunner().invoke(import_cli.cli, arguments, env=environ)
            assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
            return subprocess.CompletedProcess(arguments, result.exit_code, result.stdout, result.stderr)
        command = [sys.executable, "-m", "edge", verb, *arguments]
        return subprocess.run(
            command, cwd=REPOSITORY, env=environ, capture_output=True, text=True, timeout=50, check=False
        )

    def sessions(self) -> list[SessionRow]:
        return sessions.page(self.store, SessionFilter(), limit=5000, newest_first=False)


@pytest.fixture(params=["sqlite", "mariadb"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path, str(request.getfixturevalue(f"{request.param}_url")))
    yield site
    site.store.close()


@pytest.fixture
def embedded(tmp_path: Path, sqlite_url: str) -> Iterator[Site]:
    site = Site(tmp_path, sqlite_url)
    yield site
    site.store.close()


def write(folder: Path, name: str, *rows: str) -> str:
    path = folder / name
    path.write_text("\n".join([*rows, ""]))
    return str(path)


def test_months_of_all_ages(site: Site, tmp_path: Path) -> None:
    """Bad lines are named and everything else is imported; the second time all of it is there already."""
    newer, older = write(tmp_path, "202507.csv", TEN), write(tmp_path, "202001.csv", NINE, BAD, EIGHT)
    first = site.run("csv", newer, older)
    assert first.stdout.splitlines() == [
        f"{newer}: 1 read (19.070 kWh), 1 new (19.070 kWh), 0 already there (0.000 kWh)",
        f"{older}: 3 read (18.600 kWh), 2 new (18.600 kWh), 0 already there (0.000 kWh), 1 bad",
        "  line 2: 3 columns, not 8, 9 or 10",
    ]
    assert first.returncode == 3
    eight, nine, ten = site.sessions()
    assert (ten.started_at, ten.energy_wh, ten.tag, ten.cost_millicents) == (START, 19_070, "0004A376A2", 572_000)
    assert (nine.charge_point, nine.mode, nine.tag) == ("2", "instant", None)
    assert (eight.ended_at or 0) - eight.started_at == 3 * 3600
    assert {row.origin for row in (eight, nine, ten)} == {"import"}
    log = wallbox_log.between(site.store, 0, 2_000_000_000)
    assert [row.session_id for row in log] == [eight.id, nine.id, ten.id]

    again = site.run("csv", newer, as_process=True)
    assert (again.stdout, again.returncode) == (
        f"{newer}: 1 read (19.070 kWh), 0 new (0.000 kWh), 1 already there (19.070 kWh)\n",
        0,
    )
    assert site.sessions() == [eight, nine, ten]


def test_a_file_without_a_good_line_stops_nothing_else(embedded: Site, tmp_path: Path) -> None:
    """Neither a month whose only line is bad nor another file altogether; each line is named."""
    bad = write(tmp_path, "202102.csv", "09.02.21-10:00,09.02.21-10:40,0,-21.30,-31.95,40 Min,1,2,0")
    log, other = write(tmp_path, "202507.csv", TEN), write(tmp_path, "readme.txt", "# Hello", "", "this, is text")
    found = embedded.run("csv", bad, log, other, as_process=True)
    assert found.returncode == 3
    assert found.stdout.splitlines() == [
        f"{bad}: 1 read, 0 new, 0 already there, 1 bad",
        "  line 1: the energy cannot be",
        f"{log}: 1 read (19.070 kWh), 1 new (19.070 kWh), 0 already there (0.000 kWh)",
        f"{other}: 2 read, 0 new, 0 already there, 2 bad",
        "  line 1: 1 columns, not 8, 9 or 10",
        "  line 3: 2 columns, not 8, 9 or 10",
    ]
    assert [row.energy_wh for row in embedded.sessions()] == [19_070]


def test_what_is_doubtful_is_kept_and_named(site: Site, tmp_path: Path) -> None:
    """On the real store: its session says why, and the second time it is there."""
    recorded = SessionRow(charge_point="1", started_at=START, ended_at=START + 20_000, energy_wh=7_000)
    sessions.upsert(site.store, [SessionRecord(session=recorded)])
    file = write(tmp_path, "202507.csv", TEN)
    found = site.run("csv", file)
    assert found.stdout.splitlines() == [
        f"{file}: 1 read (19.070 kWh), 0 new (0.000 kWh), 0 already there (0.000 kWh), 1 doubtful (19.070 kWh)",
        "  line 1: kept as doubtful: 19.070 kWh that overlaps the session of 2025-07-14 18:02 at charge point 1",
    ]
    assert found.returncode == 0
    there, doubtful = site.sessions()
    assert (there.energy_wh, there.doubt, there.origin) == (7_000, None, "recorded")
    assert (doubtful.energy_wh, doubtful.doubt, doubtful.origin) == (19_070, "overlaps", "import")
    assert doubtful.started_at == START + 1
    assert "1 already there (19.070 kWh)" in site.run("csv", file).stdout
    assert site.sessions() == [there, doubtful]


def test_a_dry_run_writes_nothing(embedded: Site, tmp_path: Path) -> None:
    """It says what would be new."""
    file = write(tmp_path, "202507.csv", TEN)
    found = embedded.run("csv", file, "--dry-run", as_process=True)
    assert found.stdout == (
        f"{file}: 1 read (19.070 kWh), 1 new (19.070 kWh), 0 already there (0.000 kWh)\nDry run: nothing was written.\n"
    )
    assert embedded.sessions() == []


def test_what_the_edge_recorded_is_not_imported_again(embedded: Site, tmp_path: Path) -> None:
    """Its session covers the row, under the charge point's number of today; the tag is filled in."""
    recorded = SessionRow(charge_point="3", started_at=START - 900, ended_at=START + 20_000, energy_wh=19_100)
    sessions.upsert(embedded.store, [SessionRecord(session=recorded)])
    file = write(tmp_path, "202507.csv", TEN)
    found = embedded.run("csv", file, "--charge-point-map", "1=3,2=7")
    assert found.stdout.splitlines() == [
        f"{file}: 1 read (19.070 kWh), 0 new (0.000 kWh), 1 already there (19.070 kWh)",
        "  line 1: already there: 19.070 kWh in the session of 2025-07-14 17:47 at charge point 3",
    ]
    (session,) = embedded.sessions()
    assert (session.energy_wh, session.tag, session.origin) == (19_100, "0004A376A2", "recorded")


def test_what_differs_is_listed(embedded: Site) -> None:
    """By `charge-log`, in local time, with exit code 1; what agrees only with --all."""
    for day, energy_wh in ((0, 19_100), (1, 12_000)):
        start = START + day * 86_400
        row = SessionRow(charge_point="1", started_at=start - 60, ended_at=start + 20_000, energy_wh=energy_wh)
        (number,) = sessions.upsert(embedded.store, [SessionRecord(session=row)])
        entry = LogEntryRow(
            charge_point="1",
            started_at=start,
            ended_at=start + 12_900,
            energy_wh=19_070,
            read_at=start,
            session_id=number,
        )
        wallbox_log.put(embedded.store, [entry])
    days = ["--days", "3660"]
    found = embedded.run(*days, verb="charge-log")
    assert found.stdout.splitlines() == [
        "2025-07-15 18:01     1  recorded  12.00 kWh  log  19.07 kWh  differs",
        "2 sessions in 3660 days, 1 differ from the wallbox's log",
    ]
    assert found.returncode == 1
    everything = embedded.run(*days, "--all", verb="charge-log").stdout
    assert everything.startswith("2025-07-14 18:01     1  recorded  19.10 kWh  log  19.07 kWh\n")


def test_the_zone_of_local_times(embedded: Site, tmp_path: Path) -> None:
    """Another one than Germany's moves everything."""
    assert embedded.run("csv", write(tmp_path, "a.csv", TEN), "--time-zone", "UTC").returncode == 0
    assert embedded.sessions()[0].started_at == START + 7200


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["csv", "no-such-file.csv"], 1, "no-such-file.csv cannot be read"),
        (["csv"], 2, "Missing argument"),
        (["csv", "pyproject.toml", "--charge-point-map", "x"], 2, "--charge-point-map must be like 1=3"),
        (["csv", "pyproject.toml", "--time-zone", "Mars"], 2, "must be a name like Europe/Berlin"),
        (["backend", "sqlite:///x"], 2, "must be mysql://"),
        (["backend", "mysql://u@127.0.0.1:1/x"], 1, "cannot be reached"),
        (["backend", "mysql://u@127.0.0.1:1/x", "--password-file", "no-such"], 2, "cannot be read"),
    ],
)
def test_faults_are_said_in_one_line(embedded: Site, arguments: list[str], code: int, words: str) -> None:
    """No traceback; 2 is for what was typed, 1 for what failed."""
    found = embedded.run(*arguments)
    assert found.returncode == code
    assert words in found.stderr
    assert "Traceback" not in found.stderr


def digits(*parts: int) -> datetime:
    """As stored: without a zone."""
    return datetime(*parts)  # type: ignore[arg-type]  # noqa: DTZ001


def graph_row(minute: int, **values: float) -> dict[str, Any]:
    """Some seconds past a full minute; the house has no battery, and one charge point."""
    at = digits(2025, 7, 14, 16, 0, 4) + timedelta(minutes=minute)
    zeros = dict.fromkeys(
        ("ladeleistung", "ladeleistung_lp2", "speicherleistung", "speicher_soc", "soc_lp1", "soc_lp2", "vb1", "vb2"),
        0.0,
    )
    return {
        "timestamp": at,
        "evu": 100.4,
        "pv": 0.0,
        "hausverbrauch": 300.0,
        "ladeleistung_lp1": 0.0,
        **zeros,
        **values,
    }


@pytest.fixture
def old(mariadb_server: Mariadb) -> Iterator[OldDatabase]:
    """Two users, three charges of which one is bad, 2,500 minutes in more than two batches, and three scans."""
    with old_database(mariadb_server.new_database()) as database:
        database.insert(
            "users",
            [
                {"username": "jürgen", "password": "5f4dcc3b5aa765d61d8327deb882cf99", "tagID": 4711, "admin": 1},
                {"username": "anna", "password": "5f4dcc3b5aa765d61d8327deb882cf99", "tagID": None, "admin": 0},
            ],
        )
        charge = {"km": 112, "kWh": 19.07, "kW": 5.32, "ladepunkt": "1", "modus": 2, "tagID": 4711}
        database.insert(
            "lade_log",
            [
                {"start": digits(2025, 7, 14, 18, 2), "ende": digits(2025, 7, 14, 21, 37), **charge},
                {"start": digits(2025, 7, 13, 18, 2), "ende": digits(2025, 7, 13, 21, 37), **charge, "tagID": None},
                {"start": digits(2025, 7, 12, 18, 2), "ende": digits(2025, 7, 12, 17, 0), **charge},
            ],
        )
        rows = [graph_row(minute, ladeleistung_lp1=float(minute)) for minute in range(2500)]
        cards = [(1, 4711), (2, 815), (3, None)]
        database.insert("rfid_log", [{"timestamp": digits(2025, 7, day), "tagID": tag} for day, tag in cards])
        database.insert("graph", [*rows, rows[-1], graph_row(2500, evu=0.0, hausverbrauch=0.0)])
        yield database


def test_the_tables_of_the_old_backend(site: Site, old: OldDatabase) -> None:
    """Charges at Berlin's time with their users, minutes on the grid, and users who cannot log in."""
    first = site.run("backend", old.url)
    assert first.stderr == ""
    assert first.stdout.splitlines() == [
        "users: 2 read, 2 new, 0 already there",
        "lade_log: 3 read (38.140 kWh), 2 new (38.140 kWh), 0 already there (0.000 kWh), 1 bad",
        "  id 3: it ends before it starts",
        "graph: 2502 read, 2500 new, 1 already there, 1 bad",
        "  id 2502: it says nothing: every value is 0",
        "rfid_log: 3 read, 2 new, 0 already there, 1 bad",
        "  id 3: there is no tag",
    ]
    assert first.returncode == 3

    before, session = site.sessions()
    assert (session.started_at, session.ended_at, session.energy_wh) == (START, START + 12_900, 19_070)
    assert (session.tag, session.user_name, session.origin) == ("4711", "jürgen", "import")
    assert before.user_name is None

    noon = int(datetime(2025, 7, 14, 16, 0, tzinfo=UTC).timestamp())
    ticks = samples.between(site.store, noon, noon + 60 * 2500, 3000)
    assert [row.sampled_at for row in ticks] == [noon + 60 * minute for minute in range(2500)]
    assert ticks[7] == SampleRow(
        sampled_at=noon + 420, grid_power_w=100, pv_power_w=0, home_power_w=300, charge_points=ticks[7].charge_points
    )
    assert [(part.charge_point, part.power_w, part.soc_percent) for part in ticks[7].charge_points] == [("1", 7, None)]

    for name, role in (("jürgen", "admin"), ("anna", "driver")):
        user = users.get(site.store, name)
        assert user is not None
        assert (user.role, user.is_disabled) == (role, True)
        assert "5f4dcc" not in user.password_hash
        assert not Passwords().verify(user.password_hash, "password").is_right

    july = int(datetime(2025, 7, 1, tzinfo=UTC).timestamp())
    found = scans.find(site.store, ScanFilter(), 10)
    assert [(row.scanned_at, row.tag, row.outcome) for row in found] == [
        (july + 86_400, "…15", "late"),
        (july, "…11", "late"),
    ]

    again = site.run("backend", old.url)
    assert again.stdout.splitlines()[0] == "users: 2 read, 0 new, 2 already there"
    assert "lade_log: 3 read (38.140 kWh), 0 new (0.000 kWh), 2 already there (38.140 kWh), 1 bad" in again.stdout
    assert "graph: 2502 read, 0 new, 2501 already there, 1 bad" in again.stdout
    assert "rfid_log: 3 read, 0 new, 2 already there, 1 bad" in again.stdout
    assert site.sessions() == [before, session]


def test_a_user_who_cannot_be_kept_is_named(embedded: Site, old: OldDatabase) -> None:
    """By a name that cannot be, in a dry run too, or one that looks like another's; everybody else is imported."""
    old.insert("users", [{"username": name, "admin": 0} for name in ("peta", "w/lan", "рета")])
    dry = embedded.run("backend", old.url, "--dry-run").stdout.splitlines()
    slash = "  id 4: bad user name; name must not contain / or \\"
    assert dry[:2] == ["users: 5 read, 4 new, 0 already there, 1 bad", slash]
    found = embedded.run("backend", old.url)
    assert found.stdout.splitlines()[:3] == [
        "users: 5 read, 3 new, 0 already there, 2 bad",
        slash,
        "  id 5: there is a user 'рета' already, or one whose name looks the same",
    ]
    assert found.returncode == 3
    assert [user.name for user in users.list_all(embedded.store)] == ["anna", "jürgen", "peta"]


def test_a_dry_run_over_the_old_backend_writes_nothing(embedded: Site, old: OldDatabase) -> None:
    found = embedded.run("backend", old.url, "--dry-run")
    assert "graph: 2502 read, 2500 new, 1 already there, 1 bad" in found.stdout
    assert "Dry run: nothing was written." in found.stdout
    assert embedded.sessions() == []
    assert users.list_all(embedded.store) == []
    assert samples.ticks(embedded.store, 0, 2_000_000_000) == set()
    assert scans.find(embedded.store, ScanFilter(), 10) == []


def test_the_files_come_before_the_tables(embedded: Site, old: OldDatabase, tmp_path: Path) -> None:
    """Then tags have all their digits; the table's row is the same charge, and says whose it is."""
    embedded.run("csv", write(tmp_path, "202507.csv", TEN))
    found = embedded.run("backend", old.url)
    assert "lade_log: 3 read (38.140 kWh), 1 new (19.070 kWh), 1 already there (19.070 kWh), 1 bad" in found.stdout
    session = embedded.sessions()[-1]
    assert (session.tag, session.user_name) == ("0004A376A2", "jürgen")
    assert [row.tag for row in wallbox_log.between(embedded.store, 0, 2_000_000_000)] == ["0004A376A2"]


def test_a_database_of_something_else(embedded: Site, mariadb_server: Mariadb) -> None:
    """Neither table, and a table of the name with other columns."""
    url = mariadb_server.new_database()
    assert embedded.run("backend", url).returncode == 1
    with old_database(url, ["CREATE TABLE graph (number INTEGER)"]):
        found = embedded.run("backend", url)
    assert (found.returncode, found.stdout) == (1, "")
    assert "not the old backend's database" in found.stderr


def test_the_password_may_stand_in_a_file(embedded: Site, old: OldDatabase, tmp_path: Path) -> None:
    scheme, _, rest = old.url.partition("://")
    login, _, host = rest.rpartition("@")
    user, _, _ = login.partition(":")
    file = tmp_path / "password"
    file.write_text("p@ss-of-tests\n")
    found = embedded.run("backend", f"{scheme}://{user}@{host}", "--password-file", str(file), "--dry-run")
    assert "lade_log: 3 read" in found.stdout
