"""The relay's routes: the edges' tunnel, the phones' HTTP and websocket traffic, enrolment."""
