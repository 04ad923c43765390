"""The routes of tags, profiles and scans for the OpenAPI document, as api/operations.py has the others. Pure."""

from collections.abc import Mapping

from api import shapes_rfid as shapes
from api.operation import BOUNDARY, Operation, Parameter
from api.rfid import MOST_SCANS
from common.profiles import Outcome

_TEXT = {"type": "string"}
_NAME = Parameter("name", "a user's name; drivers only their own", _TEXT)
_ID = Parameter("id", "as in `GET /api/v1/profiles`", _TEXT)
_STORE = ("store_unavailable", "overloaded")
_PERSON = ("invalid_input", "not_found", "elevation_required", *_STORE)
_ELEVATION = "An admin needs a fresh code to change what is somebody else's."
_PROFILE_PROBLEMS = ("malformed_body", "not_possible", "unknown_charge_point", *_PERSON)

OPERATIONS: Mapping[tuple[str, str], Operation] = {
    ("GET", "/api/v1/users/{name}/tags"): Operation(
        "listTags",
        "A user's RFID tags",
        shapes.TagsAnswer,
        parameters=(_NAME,),
        problems=("invalid_input", "not_found", *_STORE),
    ),
    ("POST", "/api/v1/users/{name}/tags"): Operation(
        "addTag",
        "Give a tag to a user",
        shapes.TagShape,
        body=shapes.TagBody,
        parameters=(_NAME,),
        problems=("malformed_body", "tag_taken", *_PERSON),
        description=_ELEVATION,
        success="201",
    ),
    ("DELETE", "/api/v1/users/{name}/tags/{tag}"): Operation(
        "removeTag",
        "Take a tag away",
        None,
        parameters=(_NAME, Parameter("tag", "in any upper or lower case", _TEXT)),
        problems=_PERSON,
        description=_ELEVATION,
        success="204",
    ),
    ("GET", "/api/v1/users/{name}/tags/learn"): Operation(
        "getLearning",
        "Whether a card came",
        shapes.LearningAnswer,
        parameters=(_NAME,),
        problems=("invalid_input", "not_found", *_STORE),
    ),
    ("POST", "/api/v1/users/{name}/tags/learn"): Operation(
        "beginLearning",
        "The next card that is nobody's is this user's",
        shapes.LearningAnswer,
        body=shapes.LearnBody,
        parameters=(_NAME,),
        problems=("malformed_body", "learning_busy", *_PERSON),
        description=f"For two minutes; one user at a time. {_ELEVATION}",
        is_body_optional=True,
    ),
    ("DELETE", "/api/v1/users/{name}/tags/learn"): Operation(
        "endLearning",
        "Wait for no card any more",
        None,
        parameters=(_NAME,),
        problems=_PERSON,
        description=_ELEVATION,
        success="204",
    ),
    ("GET", "/api/v1/profiles"): Operation(
        "listProfiles",
        "Profiles: one's own, for an admin everybody's",
        shapes.ProfilesAnswer,
        problems=("invalid_input", *_STORE),
    ),
    ("POST", "/api/v1/profiles"): Operation(
        "createProfile",
        "Add a profile",
        shapes.ProfileAnswer,
        body=shapes.ProfileBody,
        problems=_PROFILE_PROBLEMS,
        description=_ELEVATION,
        success="201",
    ),
    ("POST", "/api/v1/profiles/dry-run"): Operation(
        "tryProfiles",
        "What a card would do, and why",
        shapes.DryRunAnswer,
        body=shapes.DryRunBody,
        problems=("malformed_body", "invalid_input", "not_found", *_STORE),
        description="Nothing is sent.",
    ),
    ("GET", "/api/v1/profiles/{id}"): Operation(
        "getProfile",
        "One profile",
        shapes.ProfileAnswer,
        parameters=(_ID,),
        problems=("invalid_input", "not_found", *_STORE),
    ),
    ("PUT", "/api/v1/profiles/{id}"): Operation(
        "replaceProfile",
        "Replace a profile",
        shapes.ProfileAnswer,
        body=shapes.ProfileBody,
        parameters=(_ID,),
        problems=_PROFILE_PROBLEMS,
        description=_ELEVATION,
    ),
    ("DELETE", "/api/v1/profiles/{id}"): Operation(
        "removeProfile",
        "Remove a profile",
        None,
        parameters=(_ID,),
        problems=_PERSON,
        description=_ELEVATION,
        success="204",
    ),
    ("GET", "/api/v1/rfid/scans"): Operation(
        "listScans",
        "Every scan, and what became of it: one's own, for an admin everybody's",
        shapes.ScansAnswer,
        parameters=(
            Parameter("from", "the first instant", BOUNDARY),
            Parameter("to", "the instant before which it ends", BOUNDARY),
            Parameter("outcome", "only those", Outcome),
            Parameter("charge_point", "only at this one", _TEXT),
            Parameter("user", "only with this user's tags", _TEXT),
            Parameter("cursor", "`next_cursor` of the page before", _TEXT),
            Parameter("limit", f"at most {MOST_SCANS}; 50 if absent", {"type": "integer"}),
        ),
        problems=("invalid_input", *_STORE),
    ),
}
