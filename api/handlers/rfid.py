"""RFID cards: whose they are, what they do, and what they did."""

import re
import time
from urllib.parse import unquote

from sanic import HTTPResponse, Request

from api import control, inputs, rfid
from api.access import Role
from api.audit import changed
from api.errors import LoginRequired, NotAllowed, NotFound
from api.handlers.answers import json_answer
from api.handlers.audit import audit
from api.handlers.codes import require_elevation
from api.ports import deps_of, login_of
from api.shapes_rfid import DryRunBody, LearnBody, ProfileBody, ProfilesAnswer, ScansAnswer, TagBody, TagsAnswer
from api.sight import EVERYTHING, Sight
from common.errors import RedisUnavailable
from common.model import SiteState
from common.profiles import Profile, decide
from common.store import users
from common.store.errors import ProfileUnknown, UserUnknown
from common.store.rows import UserRow
from common.store.users import name_key
from common.tags import redacted

SCAN_PARAMETERS = ("from", "to", "outcome", "charge_point", "user", "cursor", "limit")

_PROFILE_ID = re.compile(r"[1-9][0-9]{0,17}")


async def list_tags(request: Request, name: str) -> HTTPResponse:
    inputs.query(request.query_string, ())
    owner = await _owner(request, name, is_writing=False)
    rows = await deps_of(request).cards.tags(owner)
    return json_answer(TagsAnswer([rfid.tag_shape(row) for row in rows]))


async def add_tag(request: Request, name: str) -> HTTPResponse:
    body = inputs.body(request.body, TagBody)
    tag = rfid.tag(body.tag)
    owner = await _owner(request, name, is_writing=True)
    row = await deps_of(request).cards.add_tag(owner, tag, body.label, int(time.time()))
    audit(request, "tag_add", subject=owner, new={"tag": redacted(tag), "label": row.label})
    return json_answer(rfid.tag_shape(row), status=201)


async def remove_tag(request: Request, name: str, tag: str) -> HTTPResponse:
    inputs.query(request.query_string, ())
    owner = await _owner(request, name, is_writing=True)
    text = _text(tag)
    if not await deps_of(request).cards.remove_tag(owner, text):
        raise NotFound("this user has no such tag")
    audit(request, "tag_remove", subject=owner, old={"tag": redacted(text)})
    return HTTPResponse(None, 204)


async def wait_for_card(request: Request, name: str) -> HTTPResponse:
    """The next unknown card is this user's; in real time, since a person walks to the wallbox."""
    body = inputs.body(request.body, LearnBody) if request.body else LearnBody()
    owner = await _owner(request, name, is_writing=True)
    row = await deps_of(request).cards.wait_for_card(owner, body.label, int(time.time()))
    audit(request, "card_await", subject=owner, new={"label": row.label})
    return json_answer(rfid.learning_shape(row, time.time()))


async def learning(request: Request, name: str) -> HTTPResponse:
    inputs.query(request.query_string, ())
    owner = await _owner(request, name, is_writing=False)
    return json_answer(rfid.learning_shape(await deps_of(request).cards.learning(owner), time.time()))


async def stop_waiting(request: Request, name: str) -> HTTPResponse:
    inputs.query(request.query_string, ())
    owner = await _owner(request, name, is_writing=True)
    if await deps_of(request).cards.stop_waiting(owner):
        audit(request, "card_await_end", subject=owner)
    return HTTPResponse(None, 204)


async def list_profiles(request: Request) -> HTTPResponse:
    """A driver's own, an admin's everybody's."""
    inputs.query(request.query_string, ())
    asker = await _asker(request)
    found = await deps_of(request).cards.profiles(None if asker.role == Role.ADMIN else asker.name)
    return json_answer(ProfilesAnswer([rfid.profile_shape(profile) for profile in found]))


async def add_profile(request: Request) -> HTTPResponse:
    saved = await _save(request, None)
    return json_answer(rfid.profile_shape(saved), status=201)


async def profile(request: Request, id: str) -> HTTPResponse:  # noqa: A002 -- the name in the URL's template
    inputs.query(request.query_string, ())
    return json_answer(rfid.profile_shape(await _profile(request, id, is_writing=False)))


async def replace_profile(request: Request, id: str) -> HTTPResponse:  # noqa: A002 -- see above
    saved = await _save(request, await _profile(request, id, is_writing=True))
    return json_answer(rfid.profile_shape(saved))


async def remove_profile(request: Request, id: str) -> HTTPResponse:  # noqa: A002 -- see above
    inputs.query(request.query_string, ())
    known = await _profile(request, id, is_writing=True)
    if known.id is None or not await deps_of(request).cards.remove_profile(known.id):
        raise NotFound("there is no such profile")
    audit(request, "profile_remove", subject=rfid.audit_subject(known), old=rfid.audit_values(known))
    return HTTPResponse(None, 204)


async def dry_run(request: Request) -> HTTPResponse:
    """What a card would do. Of others' cards a driver learns no more than that they are not theirs."""
    inputs.query(request.query_string, ())
    body = inputs.body(request.body, DryRunBody)
    tag = rfid.tag(body.tag)
    deps = deps_of(request)
    zone = deps.settings.time_zone
    at = deps.clock.now() if body.at is None else rfid.local_instant(body.at, zone)
    asker = await _asker(request)
    book = await deps.cards.book()
    state = await _state(request)
    plugs = {} if state is None else {number: one.is_plugged for number, one in state.charge_points.items()}
    site_wide = frozenset() if state is None else control.site_wide(state)
    decision = decide(book, tag, at, body.charge_point, plugs, zone, site_wide=site_wide)
    if decision.owner is not None and decision.owner.name != asker.name and asker.role != Role.ADMIN:
        raise NotFound("this tag is none of yours")
    return json_answer(rfid.dry_run(decision, at, zone, state))


async def scans(request: Request) -> HTTPResponse:
    asker = await _asker(request)
    only = None if asker.role == Role.ADMIN else asker.name
    parameters = inputs.query(request.query_string, SCAN_PARAMETERS)
    if "user" in parameters:
        await _decide(request, asker, parameters["user"], is_writing=False)
    wanted, limit = rfid.scan_filter(parameters, only, deps_of(request).settings.time_zone)
    rows = list(await deps_of(request).cards.scans(wanted, limit + 1))
    cursor = rfid.cursor(rows[limit - 1]) if len(rows) > limit else None
    return json_answer(ScansAnswer([rfid.scan_shape(row) for row in rows[:limit]], cursor))


async def _save(request: Request, known: Profile | None) -> Profile:
    """A new profile, or another one in place of `known`."""
    inputs.query(request.query_string, ())
    body = inputs.body(request.body, ProfileBody)
    asker = await _asker(request)
    owner = body.user or (known.user if known is not None else asker.name)
    await _decide(request, asker, owner, is_writing=True)
    wished = rfid.profile_of(body, owner, await _sight(request, owner), await _state(request))
    if known is not None and known.id is not None:
        wished = rfid.with_id(wished, known.id)
    try:
        saved = await deps_of(request).cards.save_profile(wished)
    except (UserUnknown, ProfileUnknown) as exc:
        raise NotFound(exc.message) from exc
    if known is None:
        audit(request, "profile_add", subject=rfid.audit_subject(saved), new=rfid.audit_values(saved))
    else:
        old, new = changed(rfid.audit_values(known), rfid.audit_values(saved))
        audit(request, "profile_change", subject=rfid.audit_subject(saved), old=old, new=new)
    return saved


async def _profile(request: Request, text: str, *, is_writing: bool) -> Profile:
    """The profile with this id. Others' are not there for a driver."""
    asker = await _asker(request)
    known = await deps_of(request).cards.profile(int(text)) if _PROFILE_ID.fullmatch(text) else None
    if known is None or (asker.role != Role.ADMIN and known.user != asker.name):
        raise NotFound("there is no such profile")
    await _decide(request, asker, known.user, is_writing=is_writing)
    return known


async def _owner(request: Request, name: str, *, is_writing: bool) -> str:
    """The user that a path names, as they are spelt."""
    asker = await _asker(request)
    text = _text(name)
    await _decide(request, asker, text, is_writing=is_writing)
    user = await deps_of(request).store.user(text)
    if user is None:
        raise NotFound("there is no such user")
    return user.name


async def _decide(request: Request, asker: UserRow, owner: str, *, is_writing: bool) -> None:
    is_own = name_key(asker.name) == name_key(owner)
    if rfid.needs_elevation(Role(asker.role), is_own=is_own, is_writing=is_writing):
        await require_elevation(request)


async def _asker(request: Request) -> UserRow:
    """Who is logged in, as they are now."""
    user = await deps_of(request).store.user(login_of(request).user)
    if user is None or user.is_disabled:
        raise LoginRequired("this user may no longer log in")
    if user.role == Role.VIEWER:
        raise NotAllowed("your role does not allow this any more")
    return user


async def _sight(request: Request, owner: str) -> Sight:
    """What the user whose profile it is may see, as they are now. Raises NotFound."""
    account = await deps_of(request).store.run(users.get_account, owner)
    if account is None:
        raise NotFound("there is no such user")
    return EVERYTHING if account.charge_points is None else Sight(frozenset(account.charge_points))


async def _state(request: Request) -> SiteState | None:
    """None while nobody knows it: that hinders nobody to prepare a profile."""
    try:
        seen = await deps_of(request).state.observe()
    except RedisUnavailable:
        return None
    return None if seen.snapshot is None else seen.snapshot.state


def _text(part: str) -> str:
    """A part of a path, which Sanic hands over as it came."""
    try:
        return unquote(part, errors="strict")
    except UnicodeDecodeError as exc:
        raise NotFound("there is no such thing") from exc
