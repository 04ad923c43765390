"""The register of sites: names, edges' public keys, one-time enrolment codes. A small database of the relay's own.

It shares the binding and the migration runner with the on-site store, and nothing else. All of it blocks; handlers
call it in a thread. Raises StoreUnavailable and StoreError besides what is named.
"""

import asyncio
import functools
import hashlib
import hmac
import re
import secrets
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

from pony.orm import Optional, PrimaryKey, Required

from common.errors import AppError, FieldError
from common.store.bind import Schema, Store, open_store
from common.store.errors import StoreConflict
from relay.door import is_site_name
from relay.ports import BadCode, BadRotation, SiteRow

CODE_LIFE_S = 600
"""Seconds from `site add` to the last moment of enrolment: long enough to walk to the machine at home."""

CODE_CHARACTERS = 28
"""Of 32 kinds, so 140 bits: nobody guesses one."""

THREADS = 4
"""One slow look-up must not hold up the others; more would only queue at the database."""

P = ParamSpec("P")
T = TypeVar("T")

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base32: nothing looks like something else
_ALIKE = str.maketrans("OIL", "011")


class SiteExists(AppError):
    code = "site_exists"


class NoSuchSite(AppError):
    code = "unknown_site"


def define(db: Any) -> None:
    """Pony's view of `relay/migrations`."""

    class Site(db.Entity):  # type: ignore[misc]  # Pony has no types
        _table_ = "relay_site"
        site_id = PrimaryKey(str, 32)
        name = Required(str, 63, unique=True)
        public_key = Optional(str, 64, nullable=True)
        code_hash = Optional(str, 64, nullable=True, unique=True)
        code_expires_at = Optional(int, size=64)
        created_at = Required(int, size=64)
        enrolled_at = Optional(int, size=64)

    class Change(db.Entity):  # type: ignore[misc]  # Pony has no types
        _table_ = "relay_change"
        number = PrimaryKey(int, size=64)
        revision = Required(int, size=64)


def open_registry(url: str) -> "Registry":
    """A registry at `url`; connects and migrates at the first use. Raises FieldError for a URL of the wrong form."""
    return Registry(open_store(url, Schema(define, "relay.migrations")))


class Registry:
    """Any thread may use it."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def ping(self) -> None:
        self._store.ping()

    def close(self) -> None:
        self._store.close()

    def add(self, name: str, now: float) -> str:
        """Add a site; returns its one-time code, which is not kept. Raises FieldError, SiteExists."""
        _check_name(name)
        code = _new_code()

        def work(db: Any) -> None:
            db.Site(
                site_id=secrets.token_hex(8),
                name=name,
                code_hash=_hash(code),
                code_expires_at=int(now) + CODE_LIFE_S,
                created_at=int(now),
            )

        try:
            self._store.run(work)
        except StoreConflict as exc:
            raise SiteExists(f"there is a site {name!r} already") from exc
        return code

    def new_code(self, name: str, now: float) -> str:
        """Another code for a site; its present edge keeps working until the code is used. Raises NoSuchSite."""
        code = _new_code()

        def work(db: Any) -> None:
            site = _named(db, name)
            site.set(code_hash=_hash(code), code_expires_at=int(now) + CODE_LIFE_S)

        self._store.run(work)
        return code

    def remove(self, name: str) -> None:
        """Forget a site and its key. Raises NoSuchSite."""

        def work(db: Any) -> None:
            _named(db, name).delete()
            _note_change(db)

        self._store.run(work)

    def revoke(self, name: str) -> None:
        """Forget the site's key and code: no edge is this site until another code is used. Raises NoSuchSite."""

        def work(db: Any) -> None:
            _named(db, name).set(public_key=None, enrolled_at=None, code_hash=None, code_expires_at=None)
            _note_change(db)

        self._store.run(work)

    def rename(self, name: str, new_name: str) -> None:
        """Give a site another name; its edge and key stay. Raises FieldError, NoSuchSite, SiteExists."""
        _check_name(new_name)

        def work(db: Any) -> None:
            _named(db, name).set(name=new_name)
            _note_change(db)

        try:
            self._store.run(work)
        except StoreConflict as exc:
            raise SiteExists(f"there is a site {new_name!r} already") from exc

    def enrol(self, code: str, public_key: str, now: float) -> SiteRow:
        """Use up a code: its site's edge is from now on whoever has the key. Raises BadCode."""
        code_hash = _hash(code)

        def work(db: Any) -> SiteRow:
            site = db.Site.get_for_update(code_hash=code_hash)
            if site is None or not hmac.compare_digest(site.code_hash, code_hash):
                raise BadCode
            if site.code_expires_at is None or site.code_expires_at <= now:
                raise BadCode
            site.set(public_key=public_key, code_hash=None, code_expires_at=None, enrolled_at=int(now))
            _note_change(db)
            return _row(site)

        return self._store.run(work)

    def rotate(self, site_id: str, old_key: str, new_key: str) -> SiteRow:
        """Put a key in the place of another, whose consent the caller has checked. Raises BadRotation."""

        def work(db: Any) -> SiteRow:
            site = db.Site.get_for_update(site_id=site_id)
            if site is None or site.public_key is None:
                raise BadRotation
            if site.public_key != new_key:  # else the answer to the first try was lost
                if site.public_key != old_key:
                    raise BadRotation
                site.set(public_key=new_key)
                _note_change(db)
            return _row(site)

        return self._store.run(work)

    def revision(self) -> int:
        """Grows with every change of a site that running relays must see."""

        def work(db: Any) -> int:
            change = db.Change.get(number=1)
            return 0 if change is None else int(change.revision)

        return self._store.run(work)

    def find(self, site_id: str) -> SiteRow | None:
        def work(db: Any) -> SiteRow | None:
            site = db.Site.get(site_id=site_id)
            return None if site is None else _row(site)

        return self._store.run(work)

    def find_named(self, name: str) -> SiteRow | None:
        def work(db: Any) -> SiteRow | None:
            site = db.Site.get(name=name)
            return None if site is None else _row(site)

        return self._store.run(work)

    def list_all(self) -> list[SiteRow]:
        """All sites in the order of their names."""
        return self._store.run(lambda db: [_row(site) for site in db.Site.select().order_by(db.Site.name)])

    def keys_of(self, site_ids: Iterable[str]) -> dict[str, tuple[str, str | None]]:
        """`site_id` → (name, public key) of those sites that are still registered."""
        wanted = list(site_ids)

        def work(db: Any) -> dict[str, tuple[str, str | None]]:
            found: dict[str, tuple[str, str | None]] = {}
            for start in range(0, len(wanted), 500):  # a statement's parameters are limited
                some = wanted[start : start + 500]
                for site in db.Site.select(lambda site: site.site_id in some):  # noqa: B023 -- Pony reads it at once
                    found[site.site_id] = (site.name, site.public_key)
            return found

        return self._store.run(work) if wanted else {}


class ThreadedRegistry:
    """`relay.ports.Register`: the registry from the event loop, in THREADS threads."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._threads = ThreadPoolExecutor(THREADS, "registry")

    async def ping(self) -> None:
        await self._call(self._registry.ping)

    async def enrol(self, code: str, public_key: str, now: float) -> SiteRow:
        return await self._call(self._registry.enrol, code, public_key, now)

    async def rotate(self, site_id: str, old_key: str, new_key: str) -> SiteRow:
        return await self._call(self._registry.rotate, site_id, old_key, new_key)

    async def revision(self) -> int:
        return await self._call(self._registry.revision)

    async def find(self, site_id: str) -> SiteRow | None:
        return await self._call(self._registry.find, site_id)

    async def find_named(self, name: str) -> SiteRow | None:
        return await self._call(self._registry.find_named, name)

    async def keys_of(self, site_ids: Iterable[str]) -> dict[str, tuple[str, str | None]]:
        return await self._call(self._registry.keys_of, list(site_ids))

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._registry.close()

    async def _call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        call = functools.partial(function, *args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)


def _check_name(name: str) -> None:
    if not is_site_name(name):
        fault = "may have 63 lower-case letters, digits and inner hyphens"
        raise FieldError(f"bad site name: it {fault}", {"name": fault})


def _note_change(db: Any) -> None:
    change = db.Change.get_for_update(number=1)
    if change is None:
        db.Change(number=1, revision=1)
    else:
        change.revision += 1


def _named(db: Any, name: str) -> Any:
    site = db.Site.get_for_update(name=name)
    if site is None:
        raise NoSuchSite(f"there is no site {name!r}")
    return site


def _row(site: Any) -> SiteRow:
    return SiteRow(
        site_id=site.site_id,
        name=site.name,
        public_key=site.public_key,
        code_expires_at=site.code_expires_at,
        created_at=site.created_at,
        enrolled_at=site.enrolled_at,
    )


def _new_code() -> str:
    """As shown to people: groups of four."""
    characters = "".join(secrets.choice(_ALPHABET) for _ in range(CODE_CHARACTERS))
    return "-".join(re.findall("....", characters))


def _hash(code: str) -> str:
    """Of what was meant: case, hyphens, spaces and look-alikes do not count. No salt: a code is random enough."""
    meant = re.sub(r"[\s-]", "", code).upper().translate(_ALIKE)
    return hashlib.sha256(meant.encode()).hexdigest()
