"""A name server for a drill's network: `python -m tests.kit.name_server ADDRESS NAME=ADDRESS…`; says "ready" once.

It knows A records and nothing else (RFC 1035): other types of a known name are empty, other names do not exist.
"""

import socket
import struct
import sys

QUERY = struct.Struct("!HHHHHH")
TYPE_A = 1
TTL_S = 5


def answer(query: bytes, table: dict[str, str]) -> bytes:
    """The datagram that answers `query`; raises ValueError and struct.error for what is no question."""
    number, flags, *_ = QUERY.unpack_from(query)
    labels, at = [], QUERY.size
    while size := query[at]:
        labels.append(query[at + 1 : at + 1 + size].decode("ascii"))
        at += 1 + size
    kind, _ = struct.unpack_from("!HH", query, at + 1)
    question = query[QUERY.size : at + 5]
    address = table.get(".".join(labels).lower())
    records = b""
    if address is not None and kind == TYPE_A:
        records = struct.pack("!HHHIH", 0xC00C, TYPE_A, 1, TTL_S, 4) + socket.inet_aton(address)
    reply = 0x8580 | (flags & 0x0100) | (0 if address is not None else 3)
    return QUERY.pack(number, reply, 1, 1 if records else 0, 0, 0) + question + records


def main(address: str, *table: str) -> None:
    names = dict(entry.split("=", 1) for entry in table)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind((address, 53))
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        while True:
            query, client = server.recvfrom(4096)
            try:
                server.sendto(answer(query, names), client)
            except (ValueError, IndexError, struct.error):
                continue


if __name__ == "__main__":
    main(*sys.argv[1:])
