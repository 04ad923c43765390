"""The client of openapi-python-client at work."""

import httpx
import told
from wallport_client import AuthenticatedClient, Client
from wallport_client.api.commands import change_charge_point, get_command
from wallport_client.api.history import get_history
from wallport_client.api.logins import login
from wallport_client.api.sessions import export_sessions_pdf, list_sessions
from wallport_client.api.state import get_site, get_state, list_charge_points
from wallport_client.models import (
    ChargePointBody,
    ChargePointsAnswer,
    CommandAnswer,
    EnergyLimit,
    EnergyLimitType,
    Grid,
    HistoryAnswer,
    Limit,
    LoginAnswer,
    LoginBody,
    Mode,
    ProblemShape,
    SessionsAnswer,
    SiteAnswer,
    StateAnswer,
)
from wallport_client.types import File


def note(request: httpx.Request) -> None:
    told.ASKED.append(str(request.url))


hooks = {"event_hooks": {"request": [note]}, "trust_env": False}
body = LoginBody(username=told.USERNAME, password=told.PASSWORD)
answer = login.sync(client=Client(base_url=told.URL, httpx_args=hooks), body=body)
assert isinstance(answer, LoginAnswer)
client = AuthenticatedClient(base_url=told.URL, token=answer.access_token, httpx_args=hooks, timeout=httpx.Timeout(20))
site = get_site.sync(client=client)
assert isinstance(site, SiteAnswer)
state = get_state.sync(client=client, fields="grid")
assert isinstance(state, StateAnswer)
assert isinstance(state.grid, Grid)
points = list_charge_points.sync(client=client)
assert isinstance(points, ChargePointsAnswer)
capabilities = points.items[0].capabilities
assert capabilities is not None
assert Mode.PV in capabilities.modes
sessions = list_sessions.sync(client=client, limit=2)
assert isinstance(sessions, SessionsAnswer)
history = get_history.sync(client=client, series="grid.power_w")
assert isinstance(history, HistoryAnswer)
limit = EnergyLimit(type_=EnergyLimitType.ENERGY, energy_wh=told.LIMIT_WH)
command = change_charge_point.sync(points.items[0].id, client=client, body=ChargePointBody(limit=limit))
assert isinstance(command, CommandAnswer)
while command.settled_at is None:
    command = get_command.sync(command.id, client=client)
    assert isinstance(command, CommandAnswer)
assert isinstance(command.observed.limit, Limit)
pdf = export_sessions_pdf.sync(client=client)
assert isinstance(pdf, File)
refused = change_charge_point.sync("nowhere", client=client, body=ChargePointBody(mode=Mode.PV))
assert isinstance(refused, ProblemShape)
told.tell(
    answer.access_token,
    site=site.name,
    chargePoints=[point.id for point in points.items],
    powerW=state.grid.power_w,
    session=sessions.items[0].started_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
    samples=len(history.series["grid.power_w"]),
    status=command.status.value,
    limitWh=command.observed.limit.energy_wh,
    pdf=pdf.payload.read(5).decode(),
    code=refused.code.value,
)
