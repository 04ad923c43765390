"""OpenSSH's `ssh -R` on loopback, to compare with: a private sshd with keys and configuration of its own."""

import getpass
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.kit.ports import reserved_port
from tests.kit.process import ServerMissing, ServerProcess, accepts, is_root, program, run

SEPARATION_FOLDER = Path("/run/sshd")  # compiled into Debian's sshd, which does not start as root without it


@contextmanager
def reverse_tunnel(folder: Path, target_port: int) -> Iterator[int | None]:
    """A loopback port that `ssh -R` carries to `target_port`; None where OpenSSH is not installed."""
    try:
        sshd, ssh = program("sshd"), program("ssh")
    except ServerMissing:
        yield None
        return
    folder.mkdir(mode=0o700)
    for name in ("host", "user"):
        run([program("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)])
    with ExitStack() as context:
        if is_root() and not SEPARATION_FOLDER.exists():
            SEPARATION_FOLDER.mkdir(mode=0o755)
            context.callback(SEPARATION_FOLDER.rmdir)
        port, public_port = (context.enter_context(reserved_port()) for _ in range(2))
        (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {(folder / 'host.pub').read_text()}")
        (folder / "sshd_config").write_text(
            f"ListenAddress 127.0.0.1:{port}\n"
            f"HostKey {folder / 'host'}\n"
            f"AuthorizedKeysFile {folder / 'user.pub'}\n"
            "PidFile none\nUsePAM no\nStrictModes no\nPasswordAuthentication no\nPermitRootLogin prohibit-password\n"
        )
        server = [sshd, "-D", "-e", "-f", str(folder / "sshd_config")]
        context.enter_context(ServerProcess(server, folder / "sshd.log", lambda: accepts(port)).running())
        client = [ssh, "-N", "-F", "none", "-i", str(folder / "user"), "-p", str(port)]
        client += ["-o", f"UserKnownHostsFile={folder / 'known_hosts'}", "-o", "ExitOnForwardFailure=yes"]
        client += ["-o", "BatchMode=yes", "-R", f"127.0.0.1:{public_port}:127.0.0.1:{target_port}"]
        client += [f"{getpass.getuser()}@127.0.0.1"]
        context.enter_context(ServerProcess(client, folder / "ssh.log", lambda: accepts(public_port)).running())
        yield public_port
