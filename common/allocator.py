"""How the C library keeps memory for a process of many threads."""

import ctypes

_M_ARENA_MAX = -8  # mallopt(3)


def use_one_arena() -> None:
    """Have all threads share one heap; call before the first thread starts.

    glibc gives up to eight heaps a core to threads that allocate at the same moment, which Python's lock hardly lets
    happen, and each keeps what is freed in it. Other C libraries have no such setting, and no such heaps.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, 1)
