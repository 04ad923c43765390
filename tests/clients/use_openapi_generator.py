"""The client of openapi-generator's `python` at work."""

import told
from openapi_client import (
    ApiClient,
    ApiException,
    ChargePointBody,
    CommandsApi,
    Configuration,
    EnergyLimit,
    HistoryApi,
    LoginBody,
    LoginsApi,
    Mode,
    ProblemShape,
    SessionsApi,
    StateApi,
    WishedLimit,
)
from openapi_client.rest import RESTClientObject, RESTResponse

_request = RESTClientObject.request


def noting(self: RESTClientObject, method: str, url: str, *args: object, **kwargs: object) -> RESTResponse:
    told.ASKED.append(url)
    answer: RESTResponse = _request(self, method, url, *args, **kwargs)
    return answer


RESTClientObject.request = noting  # type: ignore[method-assign]
configuration = Configuration(host=told.URL)
api = ApiClient(configuration)
token = LoginsApi(api).login(LoginBody(username=told.USERNAME, password=told.PASSWORD)).access_token
configuration.access_token = token
site = StateApi(api).get_site()
state = StateApi(api).get_state(fields="grid")
assert state.grid is not None
points = StateApi(api).list_charge_points().items
assert points[0].capabilities is not None
assert Mode.PV in points[0].capabilities.modes
sessions = SessionsApi(api).list_sessions(limit=2).items
history = HistoryApi(api).get_history(series="grid.power_w")
limit = WishedLimit(EnergyLimit(type="energy", energy_wh=told.LIMIT_WH))
command = CommandsApi(api).change_charge_point(points[0].id, ChargePointBody(limit=limit))
while command.settled_at is None:
    command = CommandsApi(api).get_command(command.id)
assert command.observed.limit is not None
pdf = SessionsApi(api).export_sessions_pdf()
assert isinstance(pdf, bytes)
try:
    CommandsApi(api).change_charge_point("nowhere", ChargePointBody(mode=Mode.PV))
except ApiException as refused:
    problem = refused.data
assert isinstance(problem, ProblemShape)
told.tell(
    token,
    site=site.name,
    chargePoints=[point.id for point in points],
    powerW=state.grid.power_w,
    session=sessions[0].started_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
    samples=len(history.series["grid.power_w"]),
    status=command.status.value,
    limitWh=command.observed.limit.energy_wh,
    pdf=pdf[:5].decode(),
    code=problem.code.value,
)
