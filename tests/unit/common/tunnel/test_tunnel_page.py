"""docs/protocol.md says what the code does, where it can be compared; and the table of states is complete."""

import re
from pathlib import Path

import pytest

from common.tunnel.errors import ErrorCode, http_status, phone_close_code, tunnel_close_code
from common.tunnel.frames import FrameType
from common.tunnel.states import TRANSITIONS, Role, State, Step, diagram

PAGE = (Path(__file__).parents[4] / "docs" / "protocol.md").read_text(encoding="utf-8")


def test_the_page_shows_the_table_of_states() -> None:
    """Replace the drawing with what `python -c "from common.tunnel.states import diagram; print(diagram())"` prints."""
    (drawn,) = re.findall(r"```mermaid\n(.*?)\n```", PAGE, re.DOTALL)
    assert drawn == diagram()


def test_the_page_lists_every_error_with_what_becomes_of_it() -> None:
    rows = re.findall(r"^\| (\d+) \| ([A-Z_]+) \| [^|]+ \| (\d+|–) \| (\d+|–) \| (\d+|–) \|$", PAGE, re.MULTILINE)
    assert [(int(number), name) for number, name, *_ in rows] == [(error.value, error.name) for error in ErrorCode]
    for _, name, *codes in rows:
        error = ErrorCode[name]
        expected = (http_status(error), phone_close_code(error), tunnel_close_code(error))
        for shown, made in zip(codes, expected, strict=True):
            assert shown in ("–", str(made))


def test_the_page_lists_every_frame() -> None:
    rows = re.findall(r"^\| ([0-9a-f]{2}) \| ([A-Z]+) \| (?:edge|relay|both)", PAGE, re.MULTILINE)
    assert [(int(number, 16), name) for number, name in rows] == [(kind.value, kind.name) for kind in FrameType]


@pytest.mark.parametrize("state", State)
def test_every_state_can_be_left_and_reached(state: State) -> None:
    """Both ends can abort at any time, nothing leaves closed, and no state is a dead end."""
    leaving = {key: following for key, following in TRANSITIONS.items() if key[0] is state}
    if state is State.CLOSED:
        assert not leaving
        return
    for role in Role:
        assert ((state, role, Step.RESET) in leaving) == (state is not State.IDLE)
    assert state is State.IDLE or state in TRANSITIONS.values()
    orderly = [(at, to) for (at, _, step), to in TRANSITIONS.items() if step is not Step.RESET]
    reached: set[State] = {state}
    for _ in State:
        reached |= {to for at, to in orderly if at in reached}
    assert State.CLOSED in reached
