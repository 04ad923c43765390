"""What a process holds in memory, as the kernel counts it."""

import re
from pathlib import Path


def resident_bytes(pid: int) -> int:
    found = re.search(r"(?m)^VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) * 1024 if found else 0
