"""What both ways of docs/deploy.md have in common, around its commands."""

import json

from tests.kit.booted import Machine

PASSWORD = "tin-roof-violin-41"

CERTBOT_INI = """server = https://192.168.1.40:14000/dir
agree-tos = true
register-unsafely-without-email = true
non-interactive = true
"""
"""What a person answers certbot the first time, and the drill's authority in place of the usual one."""

GITCONFIG = '[url "/srv/wallport.git"]\n\tinsteadOf = https://git.example.org/wallport.git\n'


def anna_logs_in(machine: Machine, url: str) -> bool:
    """Whether she can log in there, asked from this machine, with a certificate that it trusts."""
    body = json.dumps({"username": "anna", "password": PASSWORD})
    ask = f"curl -sS -m 10 -w '\\n%{{http_code}}' -H 'content-type: application/json' -d '{body}'"
    shown = machine.run(f"{ask} {url}/api/v1/auth/login || true")
    return shown.splitlines()[-1] == "200" and "access_token" in shown


def newer_version(machine: Machine, change: str = "echo '# A newer version.' >> common/__init__.py") -> None:
    """Another version appears in the repository that the machine was installed from."""
    machine.run(
        "rm -rf /srv/newer && git clone -q /srv/wallport.git /srv/newer && cd /srv/newer && "
        f"{change} && git -c user.name=drill -c user.email=drill@example.org commit -qam newer"
        " && git push -q origin HEAD:main"
    )


def shows_the_web_app(home: Machine) -> bool:
    """Whether a browser at home gets the app that was built on the way."""
    ask = "curl -sS -m 10 -H 'accept: text/html' --cacert /opt/wallport/deploy/secrets/lan_ca.pem"
    return "assets/index-" in home.run(f"{ask} https://192.168.1.20/")
