"""The pages that the api writes itself: both languages, nothing from elsewhere, and a script that asks only what is."""

import base64
import hashlib
import json
import re

import pytest

from api import front_page, setup_page
from api.access import RULES, Origin
from api.page_look import STYLE, language_of, security_policy
from api.setup_script import SCRIPT

PAGES = {"front": (front_page.page, front_page.SECURITY_POLICY), "setup": (setup_page.page, setup_page.SECURITY_POLICY)}


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("language", ["de", "en"])
def test_a_page_holds_all_that_it_needs(name: str, language: str) -> None:
    """Its style and script are those of the policy; addresses are relative, so that they hold below a prefix."""
    make, policy = PAGES[name]
    page = make(language)
    assert f'<html lang="{language}">' in page
    for kind, allowed in (("style", "style-src"), ("script", "script-src")):
        for inline in re.findall(rf"<{kind}>(.*?)</{kind}>", page, re.DOTALL):
            digest = base64.b64encode(hashlib.sha256(inline.encode()).digest()).decode()
            assert f"{allowed} 'sha256-{digest}'" in policy
    assert not re.findall(r"""(?:src|href)=["']?(?:https?:|//|/)""", page)
    assert not re.findall(r"\son\w+=|\sstyle=", page)  # which the policy would forbid
    assert "unsafe" not in policy
    assert policy.startswith("default-src 'none'")


def test_both_languages_say_the_same() -> None:
    """Each text there is in one is there in the other; every problem that the page explains is one of the api's."""
    english, german = setup_page._EN, setup_page._DE
    assert set(english) == set(german)
    assert set(english["script"]) == set(german["script"])
    assert len(english["next_items"]) == len(german["next_items"])
    assert {*front_page._TEXTS} == {"de", "en"}
    assert set(english["script"]["errors"]) <= set(german["script"]["errors"])


def test_the_script_asks_what_the_lan_answers() -> None:
    """Each path is a route, and no id is looked for that the page does not have."""
    asked = {f"/api/v1/{path}" for path in re.findall(r'ask\("([\w/-]+)"', SCRIPT)}
    assert asked == {
        "/api/v1/auth/setup",
        "/api/v1/auth/login",
        "/api/v1/me/totp",
        "/api/v1/me/totp/confirm",
    }
    assert all(Origin.LAN in RULES["POST", path].origins for path in asked)
    page = setup_page.page("de")
    for wanted in re.findall(r'(?:part|getElementById)\("(\w+)"\)', SCRIPT):
        assert re.search(rf'id="?{wanted}\b', page), wanted
    texts = json.loads(page.partition('<script type="application/json" id="texts">')[2].partition("</script>")[0])
    assert set(re.findall(r"texts\.(\w+)", SCRIPT)) == set(texts)


def test_commands_are_those_of_this_machine() -> None:
    """Where compose runs the api, they begin with it."""
    page = setup_page.page("en", "docker compose exec api wallport-api")
    assert "<code>docker compose exec api wallport-api user add NAME --role driver</code>" in page
    assert page.count("wallport-api") == page.count("docker compose exec api wallport-api")


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("de-DE,de;q=0.9,en;q=0.8", "de"),
        ("en-GB,en;q=0.9,de;q=0.1", "en"),
        ("fr,de;q=0.5", "de"),
        ("fr", "en"),
        ("", "en"),
        ("de;q=x", "en"),
        ("*", "en"),
    ],
)
def test_the_language_that_is_wanted_more(accepted: str, language: str) -> None:
    """English where it is neither."""
    assert language_of(accepted) == language


@pytest.mark.parametrize(
    ("accepted", "is_json"),
    [
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", False),
        ("text/html, application/json", False),
        ("application/json", True),
        ("Application/JSON, */*;q=0.1", True),
        ("*/*", False),  # also what a page's own requests say
        ("", False),
    ],
)
def test_who_gets_json(accepted: str, is_json: bool) -> None:
    """Programs that ask for it; everybody else gets a page."""
    assert front_page.wants_json(accepted) is is_json


def test_a_page_without_a_script_may_run_none() -> None:
    """Nor ask anything."""
    assert security_policy() == "; ".join(
        (
            "default-src 'none'",
            f"style-src 'sha256-{base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()}'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    )
