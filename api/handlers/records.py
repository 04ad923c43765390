"""The past: what the recorder stored."""

from sanic import HTTPResponse, Request

from api import history as decisions
from api import inputs, instants
from api.handlers.answers import json_answer
from api.ports import SiteStore, deps_of
from common.store.rows import SampleRow

ROWS_AT_ONCE = 2 * decisions.MOST_STEPS  # one read, unless the interval was less than half of today's


async def history(request: Request) -> HTTPResponse:
    """Raw samples on the recorder's grid."""
    deps = deps_of(request)
    asked = decisions.period(
        inputs.query(request.query_string, {"from", "to", "series", "resolution"}),
        interval_s=deps.settings.sample_interval_s,
        now=deps.clock.now(),
    )
    rows = await _on_grid(deps.store, asked)
    return json_answer(
        {
            "resolution_s": asked.step_s,
            "from": instants.text(asked.first_s),
            "to": instants.text(asked.end_s),
            "series": decisions.series(asked, rows),
        }
    )


async def _on_grid(store: SiteStore, asked: decisions.Period) -> list[SampleRow]:
    """The rows of the period's steps. Page by page, since a shorter interval once may have left many others."""
    kept: list[SampleRow] = []
    from_s = asked.first_s
    while True:
        rows = await store.samples(from_s, asked.end_s, ROWS_AT_ONCE)
        kept += [row for row in rows if asked.step_of(row.sampled_at) is not None]
        if len(rows) < ROWS_AT_ONCE:
            return kept
        from_s = rows[-1].sampled_at + 1
