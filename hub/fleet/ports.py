"""Ports on loopback."""

import socket

LOOPBACK = "127.0.0.1"


def bound_socket(port: int, *, shared: bool) -> socket.socket:
    """Return a socket bound to that loopback port (0: a free one), not listening yet.

    A project's port is shared by several sockets of ours: one that only reserves it and, while
    the project is replaced, the listeners of the old and the new process.

    Raises:
        OSError: somebody else has the port.
    """
    # asyncio turns Nagle's algorithm off only where the socket says that it is TCP.
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        bound.bind((LOOPBACK, port))
    except OSError:
        bound.close()
        raise
    return bound
