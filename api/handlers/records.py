"""The past: what the recorder stored, and what was made of it."""

from collections.abc import Mapping, Sequence

from sanic import HTTPResponse, Request

from api import downloads, history_csv, inputs, instants, statistics
from api import history as decisions
from api.access import Role
from api.handlers.answers import json_answer
from api.ports import Deps, SiteStore, deps_of, login_of, sight_of
from common.store.rollup_rows import Resolution
from common.store.rows import SampleRow

ROWS_AT_ONCE = 2 * decisions.MOST_STEPS  # one read, unless the interval was less than half of today's


async def history(request: Request) -> HTTPResponse:
    """Samples, means of samples, or buckets of energy, by how long the period is."""
    asked, series = await _asked_for(request, inputs.query(request.query_string, decisions.PARAMETERS))
    return json_answer(
        {
            "resolution_s": asked.step_s,
            "from": instants.text(asked.first_s),
            "to": instants.text(asked.end_s),
            "starts_at": [instants.text(start) for start in asked.starts],
            "series": series,
        }
    )


async def history_file(request: Request) -> HTTPResponse:
    """The same as CSV."""
    own = history_csv.PARAMETERS | {"ticket"}
    parameters = inputs.query(request.query_string, decisions.PARAMETERS | own)
    separator, has_bom = history_csv.style(parameters)
    asked, series = await _asked_for(request, parameters)
    settings = deps_of(request).settings
    return HTTPResponse(
        history_csv.text(asked.starts, series, separator, has_bom=has_bom),
        200,
        downloads.history_headers(settings.site_name, asked.first_s, asked.end_s, settings.time_zone),
        "text/csv; charset=utf-8; header=present",
    )


async def site_statistics(request: Request) -> HTTPResponse:
    """Energies of the whole site by day, month or year."""
    deps = deps_of(request)
    asked = statistics.periods(
        inputs.query(request.query_string, {"by", "from", "to"}), now=deps.clock.now(), zone=deps.settings.time_zone
    )
    resolution = Resolution.DAY if asked.by == "day" else Resolution.MONTH
    rows = await deps.store.rollups(resolution, asked.from_s, asked.to_s)
    return json_answer(statistics.site(asked, rows, deps.clock.now()))


async def session_statistics(request: Request) -> HTTPResponse:
    """Sums of charge sessions by period and group; a driver's own ones only, at charge points that are theirs."""
    deps, login = deps_of(request), login_of(request)
    parameters = inputs.query(request.query_string, {"by", "from", "to", "group"})
    asked = statistics.periods(parameters, now=deps.clock.now(), zone=deps.settings.time_zone)
    group = statistics.group(parameters)
    only_user = login.user if login.role is Role.DRIVER else None
    sums = await deps.store.session_sums(asked.spans, group, only_user, login.sight.key)
    return json_answer(statistics.sessions(asked, group, sums))


async def reconciliation(request: Request) -> HTTPResponse:
    """A month's sessions against the charge points' meters."""
    deps = deps_of(request)
    now = deps.clock.now()
    asked = statistics.month(inputs.query(request.query_string, {"month"}), now=now, zone=deps.settings.time_zone)
    rows = await deps.store.rollups(Resolution.DAY, asked.from_s, asked.to_s)
    sessions = statistics.charged(asked, await deps.store.sessions_within(asked.from_s, asked.to_s), now)
    readings = await deps.store.meter_readings(statistics.readings_needed(asked, sessions))
    odd = await deps.store.odd_readings(int(asked.from_s), int(asked.to_s))
    return json_answer(statistics.reconciled(asked, rows, sessions, readings, odd))


async def _asked_for(
    request: Request, parameters: Mapping[str, str]
) -> tuple[decisions.Steps, dict[str, list[object]]]:
    """The steps, and the series of them that whoever is logged in may see."""
    deps, sight = deps_of(request), sight_of(request)
    asked = decisions.steps(
        parameters,
        interval_s=deps.settings.sample_interval_s,
        now=deps.clock.now(),
        zone=deps.settings.time_zone,
    )
    return asked, {path: values for path, values in (await _series(deps, asked)).items() if sight.sees_path(path)}


async def _series(deps: Deps, asked: decisions.Steps) -> dict[str, list[object]]:
    store = deps.store
    if asked.bucket is None and not asked.is_mean:
        return decisions.samples(asked, await _on_grid(store, asked))
    points: Sequence[SampleRow] = await store.samples_at(asked.starts) if asked.wants_points() else []
    if asked.bucket is None:
        powers = await store.power_means(asked.first_s, asked.end_s, asked.step_s)
        return decisions.means(asked, powers, points)
    rows = await store.rollups(asked.bucket, asked.first_s, asked.end_s)
    return decisions.buckets(asked, rows, points, deps.clock.now())


async def _on_grid(store: SiteStore, asked: decisions.Steps) -> list[SampleRow]:
    """The rows of the period's ticks. Page by page, since a shorter interval once may have left many others."""
    kept: list[SampleRow] = []
    ticks = asked.numbers()
    from_s = asked.first_s
    while True:
        rows = await store.samples(from_s, asked.end_s, ROWS_AT_ONCE)
        kept += [row for row in rows if row.sampled_at in ticks]
        if len(rows) < ROWS_AT_ONCE:
            return kept
        from_s = rows[-1].sampled_at + 1
