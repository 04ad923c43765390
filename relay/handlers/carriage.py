"""What it takes to carry any one request, for both protocols of the public side."""

from dataclasses import dataclass

from relay.limits import AtOnce, Cancels, RelayLimits
from relay.metrics import Metrics
from relay.ports import WebServer


@dataclass(frozen=True, slots=True)
class Carriage:
    server: WebServer
    limits: RelayLimits
    metrics: Metrics
    cancels: Cancels
    at_once: AtOnce
