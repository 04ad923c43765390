"""The tables of the backend that Wallport replaces, as Sequelize makes them on MariaDB."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pymysql

from common.store.location import mariadb_arguments, parse_location

TABLES = (
    "CREATE TABLE users (username VARCHAR(255) PRIMARY KEY, password VARCHAR(255), tagName VARCHAR(255),"
    " tagID BIGINT, admin TINYINT(1), chargeMode INTEGER, subMode INTEGER, chargeSoc INTEGER, chargeAmps INTEGER,"
    " chargeKwh INTEGER, createdAt DATETIME NOT NULL, updatedAt DATETIME NOT NULL)",
    "CREATE TABLE lade_log (id INTEGER AUTO_INCREMENT PRIMARY KEY, start DATETIME, ende DATETIME, km INTEGER,"
    " kWh FLOAT, kW FLOAT, ladepunkt VARCHAR(255), modus INTEGER, tagID BIGINT, createdAt DATETIME NOT NULL,"
    " updatedAt DATETIME NOT NULL, UNIQUE (start, ende))",
    "CREATE TABLE graph (id INTEGER AUTO_INCREMENT PRIMARY KEY, timestamp DATETIME, evu FLOAT, pv FLOAT,"
    " hausverbrauch FLOAT, ladeleistung FLOAT, ladeleistung_lp1 FLOAT, ladeleistung_lp2 FLOAT,"
    " speicherleistung FLOAT, speicher_soc FLOAT, soc_lp1 FLOAT, soc_lp2 FLOAT, vb1 FLOAT, vb2 FLOAT,"
    " createdAt DATETIME NOT NULL, updatedAt DATETIME NOT NULL, INDEX (timestamp))",
    "CREATE TABLE rfid_log (timestamp DATETIME PRIMARY KEY, tagID BIGINT, createdAt DATETIME NOT NULL,"
    " updatedAt DATETIME NOT NULL)",
)


class OldDatabase:
    """A database of that backend's."""

    def __init__(self, url: str, connection: "pymysql.Connection[pymysql.cursors.Cursor]") -> None:
        self.url = url
        self._connection = connection

    def insert(self, table: str, rows: Sequence[dict[str, Any]]) -> None:
        columns = list(rows[0])
        marks = ", ".join(["%s"] * len(columns))
        with self._connection.cursor() as cursor:
            cursor.executemany(
                f"INSERT INTO {table} ({', '.join(columns)}, createdAt, updatedAt) VALUES ({marks}, NOW(), NOW())",
                [tuple(row[name] for name in columns) for row in rows],
            )

    def execute(self, statement: str) -> None:
        with self._connection.cursor() as cursor:
            cursor.execute(statement)


@contextmanager
def old_database(url: str, tables: Sequence[str] = TABLES) -> Iterator[OldDatabase]:
    """Make its tables in the empty database at `url`."""
    connection = pymysql.connect(**mariadb_arguments(parse_location(url)), autocommit=True)
    with connection:
        database = OldDatabase(url, connection)
        for table in tables:
            database.execute(table)
        yield database
