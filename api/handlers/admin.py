"""What only admins see."""

from sanic import HTTPResponse, Request

from api import inputs
from api.handlers.answers import json_answer
from api.ports import deps_of


async def topics(request: Request) -> HTTPResponse:
    """The raw mirror: allow-listed MQTT topics with their last payloads."""
    inputs.query(request.query_string, ())
    return json_answer({"topics": await deps_of(request).state.topics()})
