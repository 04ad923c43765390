"""fakeredis as a server of its own, for a demo on a machine without redis-server: `python -m … HOST PORT`.

It speaks Redis's protocol and runs its scripts, and keeps everything in memory. Far slower than Redis: for a demo only.
Ends by SIGTERM. Started by `simulator/embedded.py`.
"""

import sys

from fakeredis import TcpFakeServer


def main(host: str, port: int) -> None:
    """Serve until the process is ended."""
    with TcpFakeServer((host, port)) as server:
        server.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
