"""Settings: every fault is named at once, secrets come from files, values are never quoted."""

from pathlib import Path
from urllib.parse import quote

import pytest

from common.settings import LONGEST_VALUE, Reader, SettingsError


def finish(reader: Reader) -> dict[str, str]:
    with pytest.raises(SettingsError) as caught:
        reader.finish(own_prefix="WALLPORT_X_")
    return caught.value.faults


def test_all_faults_are_named_at_once_and_no_value_is_quoted() -> None:
    """A missing, a malformed and an out-of-range setting are all in one error; the values are not."""
    reader = Reader(
        {"WALLPORT_X_PORT": "99999999", "WALLPORT_X_URL": "ftp://user:hunter2@host", "WALLPORT_X_ON": "yes"}
    )
    reader.integer("WALLPORT_X_PORT", 1, lowest=1, highest=65535)
    reader.url("WALLPORT_X_URL", ("mqtt", "mqtts"))
    reader.flag("WALLPORT_X_ON", True)
    reader.text("WALLPORT_X_NAME")
    with pytest.raises(SettingsError) as caught:
        reader.finish(own_prefix="WALLPORT_X_")
    assert set(caught.value.faults) == {"WALLPORT_X_PORT", "WALLPORT_X_URL", "WALLPORT_X_ON", "WALLPORT_X_NAME"}
    assert "hunter2" not in str(caught.value)
    assert "99999999" not in str(caught.value)


def test_unknown_setting_with_the_products_prefix_is_a_fault() -> None:
    """A typo in an optional setting's name does not pass silently; other programs' variables do."""
    reader = Reader({"WALLPORT_X_PROT": "1", "HOME": "/root", "WALLPORT_Y_A": "1"})
    reader.integer("WALLPORT_X_PORT", 1, lowest=1, highest=2)
    assert list(finish(reader)) == ["WALLPORT_X_PROT"]


def test_value_from_a_file_is_stripped(tmp_path: Path) -> None:
    """NAME_FILE is read in place of NAME, without the newline that editors add."""
    secret = tmp_path / "secret"
    secret.write_text("s3cret\n")
    reader = Reader({"WALLPORT_X_KEY_FILE": str(secret)})
    assert reader.text("WALLPORT_X_KEY") == "s3cret"
    reader.finish(own_prefix="WALLPORT_X_")


def test_setting_whose_own_name_ends_in_file_is_known(tmp_path: Path) -> None:
    """A path setting such as X_CA_FILE names a file itself and is no unknown setting."""
    reader = Reader({"WALLPORT_X_CA_FILE": str(tmp_path / "ca.pem")})
    assert reader.optional_path("WALLPORT_X_CA_FILE") == tmp_path / "ca.pem"
    reader.finish(own_prefix="WALLPORT_X_")


@pytest.mark.parametrize("content", [b"\xff\xfe", b"a" * (LONGEST_VALUE + 1), None])
def test_unreadable_file_is_a_fault(tmp_path: Path, content: bytes | None) -> None:
    """A missing, huge or binary file is named, without a traceback."""
    secret = tmp_path / "secret"
    if content is not None:
        secret.write_bytes(content)
    reader = Reader({"WALLPORT_X_KEY_FILE": str(secret)})
    reader.optional_text("WALLPORT_X_KEY")
    assert list(finish(reader)) == ["WALLPORT_X_KEY_FILE"]


def test_why_a_file_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not there, not allowed, a folder and empty are four faults; none of the first three is called missing as well."""
    secret, empty, folder = tmp_path / "secret", tmp_path / "empty", tmp_path / "folder"
    secret.write_text("mysql://u:hunter2@h/d")
    empty.touch()
    folder.mkdir()

    def fault(path: Path) -> dict[str, str]:
        reader = Reader({"WALLPORT_X_URL_FILE": str(path)})
        reader.database_url("WALLPORT_X_URL")
        return finish(reader)

    assert fault(tmp_path / "gone") == {"WALLPORT_X_URL_FILE": "names a file that does not exist"}
    assert fault(folder) == {"WALLPORT_X_URL_FILE": "names a folder"}
    assert "the file that WALLPORT_X_URL_FILE names is empty" in fault(empty)["WALLPORT_X_URL"]
    opened = Path.open

    def refuse(path: Path, mode: str) -> object:
        if path == secret:
            raise PermissionError(13, "Permission denied")
        return opened(path, mode)

    monkeypatch.setattr(Path, "open", refuse)  # root may read everything
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert fault(secret) == {"WALLPORT_X_URL_FILE": "names a file that the user root may not read"}


def test_a_file_of_authorities_must_be_readable(tmp_path: Path) -> None:
    """What names a file itself is looked at, too."""
    reader = Reader({"WALLPORT_X_CA_FILE": str(tmp_path / "gone.pem")})
    reader.optional_file("WALLPORT_X_CA_FILE")
    assert finish(reader) == {"WALLPORT_X_CA_FILE": "names a file that does not exist"}


@pytest.mark.parametrize("url", ["mysql://u:p/w@h/d", "mysql://u:p#w@h/d", "mysql://u:p?w@h/d", "mysql://u:1/p@h/d"])
def test_a_database_password_that_ends_the_host_is_explained(url: str) -> None:
    """The fault says how such a character is written; so written, it is taken and understood."""
    reader = Reader({"WALLPORT_X_URL": url})
    reader.database_url("WALLPORT_X_URL")
    assert "%2F" in finish(reader)["WALLPORT_X_URL"]
    start, _, end = url.rpartition("@")
    good = f"mysql://u:{quote(start.removeprefix('mysql://u:'), safe='')}@{end}"
    reader = Reader({"WALLPORT_X_URL": good})
    assert reader.database_url("WALLPORT_X_URL") == good
    reader.finish(own_prefix="WALLPORT_X_")


@pytest.mark.parametrize("url", ["redis://:a/b@h:6379/0", "redis://:a#b@h/0", "redis://:a?b@h/0"])
def test_so_is_another_one(url: str) -> None:
    """Of Redis, or of the broker."""
    reader = Reader({"WALLPORT_X_URL": url})
    reader.url("WALLPORT_X_URL", ("redis",))
    assert "%2F" in finish(reader)["WALLPORT_X_URL"]


def test_set_twice_is_a_fault(tmp_path: Path) -> None:
    """NAME and NAME_FILE together leave open which one counts."""
    (tmp_path / "f").write_text("b")
    reader = Reader({"WALLPORT_X_KEY": "a", "WALLPORT_X_KEY_FILE": str(tmp_path / "f")})
    reader.optional_text("WALLPORT_X_KEY")
    assert list(finish(reader)) == ["WALLPORT_X_KEY"]


def test_good_settings_pass() -> None:
    """Values are converted; an empty variable counts as unset."""
    environ = {"WALLPORT_X_PORT": "8080", "WALLPORT_X_ON": "false", "WALLPORT_X_URL": "mqtt://h", "WALLPORT_X_N": ""}
    reader = Reader(environ)
    assert reader.integer("WALLPORT_X_PORT", 1, lowest=1, highest=65535) == 8080
    assert reader.flag("WALLPORT_X_ON", True) is False
    assert reader.url("WALLPORT_X_URL", ("mqtt",)) == "mqtt://h"
    assert reader.text("WALLPORT_X_N", "default") == "default"
    reader.finish(own_prefix="WALLPORT_X_")
