import asyncio
import contextlib
import gzip
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

import httpx
import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from flows.polling.wire import name_lookup, opening
from flows.polling.wire.failures import HubFault
from flows.polling.wire.response_reader import Answer, Limits, ResponseReader
from flows.polling.wire.transport import KeptAliveTransport
from tests.polling.hostile import (
    HEALTHY,
    Handler,
    Served,
    answering,
    closing_at_once,
    read_request,
    response,
    serving,
    stalling,
)

# For tests that wait: the loops do not differ there.
on_uvloop = pytest.mark.asyncio(loop_factories=["uvloop"])


@contextlib.asynccontextmanager
async def transport_to(
    url: str, *, lost: list[str] | None = None, **options: object
) -> AsyncIterator[KeptAliveTransport]:
    on_peer_lost = None if lost is None else lost.append
    transport = KeptAliveTransport(url, name="mailer", on_peer_lost=on_peer_lost, **options)  # type: ignore[arg-type]
    try:
        yield transport
    finally:
        await transport.aclose()


@contextlib.asynccontextmanager
async def probing(
    handle: Handler,
    *,
    tls: ssl.SSLContext | None = None,
    host: str = "127.0.0.1",
    **options: object,
) -> AsyncIterator[tuple[Served, KeptAliveTransport]]:
    """A server, and a transport to it."""
    async with (
        serving(handle, tls=tls, host=host) as server,
        transport_to(server.url, **options) as transport,  # type: ignore[arg-type]
    ):
        yield server, transport


async def get(
    transport: KeptAliveTransport, url: str, *, method: str = "GET", timeout_s: float = 2.0
) -> Answer:
    request = httpx.Request(method, url, extensions={"timeout": {"whole": timeout_s}})
    answer = (await transport.handle_async_request(request)).stream
    assert isinstance(answer, Answer)
    return answer


async def until(condition: Callable[[], object], within_s: float) -> float:
    """Wait until `condition` holds something and return how long that took."""
    loop = asyncio.get_running_loop()
    started = loop.time()
    while not condition():
        assert loop.time() - started < within_s, "it did not happen"
        await asyncio.sleep(0.005)
    return loop.time() - started


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    return context


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> str:
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


async def test_requests_one_after_another_share_one_connection() -> None:
    async with probing(answering(response(), hold=True)) as (server, transport):
        bodies = [(await get(transport, f"{server.url}/health")).body for _ in range(5)]
    assert bodies == [HEALTHY] * 5
    assert server.connections == 1


async def test_no_more_than_two_connections_are_kept() -> None:
    async with probing(answering(response(), hold=True)) as (server, transport):
        await asyncio.gather(*(get(transport, f"{server.url}/{n}") for n in range(5)))
        await asyncio.sleep(0.05)
        assert server.connections == 5
        assert len(server.open_writers) == 2


async def test_a_prepared_request_can_be_sent_again_and_again() -> None:
    async with probing(answering(response(), hold=True)) as (server, transport):
        request = transport.prepare(httpx.Request("GET", f"{server.url}/health?full=1"))
        for _ in range(3):
            assert (await transport.handle_async_request(request)).status_code == 200
    assert len(set(server.requests)) == 1
    assert server.requests[0].startswith(b"GET /health?full=1 HTTP/1.1\r\nHost: 127.0.0.1:")


async def test_a_host_name_is_resolved() -> None:
    async with serving(answering(response())) as server:
        url = f"http://localhost:{server.port}/"
        async with transport_to(url) as transport:
            assert (await get(transport, url)).body == HEALTHY


async def test_an_ipv6_address_is_reached() -> None:
    async with probing(answering(response()), host="::1") as (server, transport):
        assert (await get(transport, f"{server.url}/")).body == HEALTHY


def resolve_with(
    monkeypatch: pytest.MonkeyPatch, names: Mapping[str, Callable[[], list[str]]]
) -> None:
    """Let names resolve to what their functions return, in the look-up's thread."""
    real = name_lookup._addresses

    def addresses(host: str, port: int, flags: int = 0) -> list[name_lookup.Address]:
        if flags or host not in names:
            return real(host, port, flags)
        return [(socket.AF_INET, (address, port)) for address in names[host]()]

    monkeypatch.setattr(name_lookup, "_addresses", addresses)


async def test_the_second_address_is_tried_when_the_first_refuses(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    resolve_with(monkeypatch, {"service.test": lambda: ["127.0.0.2", "127.0.0.1"]})
    async with probing(answering(response())) as (server, transport):
        assert (await get(transport, f"http://service.test:{server.port}/")).body == HEALTHY


async def test_a_name_is_looked_up_once_for_many_connections(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []

    def once() -> list[str]:
        asked.append("service.test")
        return ["127.0.0.1"]

    resolve_with(monkeypatch, {"service.test": once})
    async with probing(answering(response())) as (server, transport):
        url = f"http://service.test:{server.port}/"
        await asyncio.gather(*(get(transport, url) for _ in range(3)))
        await get(transport, url)
    assert asked == ["service.test"]


async def test_a_name_that_moved_is_looked_up_again_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    addresses = ["127.0.0.1"]
    resolve_with(monkeypatch, {"service.test": lambda: list(addresses)})
    async with contextlib.AsyncExitStack() as stack:
        old = await stack.enter_async_context(serving(answering(response())))
        url = f"http://service.test:{old.port}"
        async with transport_to(url) as transport:
            await get(transport, url)
            await stack.aclose()
            addresses[0] = "127.0.0.2"
            async with serving(answering(response(b"new")), host="127.0.0.2", port=old.port):
                assert (await get(transport, url)).body == b"new"


async def test_names_that_hang_do_not_delay_others(monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()

    def hang() -> list[str]:
        released.wait(5.0)
        return []

    stuck = [f"stuck{n}.test" for n in range(20)]
    resolve_with(monkeypatch, dict.fromkeys(stuck, hang) | {"fine.test": lambda: ["127.0.0.1"]})
    async with probing(answering(response())) as (server, transport):
        asking = [
            asyncio.ensure_future(get(transport, f"http://{name}/", timeout_s=0.3))
            for name in stuck
        ]
        await asyncio.sleep(0)
        url = f"http://fine.test:{server.port}/"
        assert (await get(transport, url, timeout_s=0.2)).body == HEALTHY
        failures = await asyncio.gather(*asking, return_exceptions=True)
        released.set()
    assert str(failures[0]) == "name not resolved: stuck0.test within 0.3 s"
    assert len({type(failure) for failure in failures}) == 1


async def test_https_is_trusted_through_the_given_authority(
    tls: ssl.SSLContext, ca_file: str
) -> None:
    async with probing(answering(response(), hold=True), tls=tls, ca_file=ca_file) as (
        server,
        transport,
    ):
        assert [(await get(transport, f"{server.url}/")).body for _ in range(2)] == [HEALTHY] * 2
    assert server.connections == 1


async def test_https_without_verification_takes_any_certificate(tls: ssl.SSLContext) -> None:
    async with probing(answering(response()), tls=tls, verify_tls=False) as (server, transport):
        assert (await get(transport, f"{server.url}/")).body == HEALTHY


def test_equal_trust_shares_one_tls_context(ca_file: str) -> None:
    assert opening.Trust().context() is opening.Trust().context()
    assert opening.Trust(True, ca_file).context() is opening.Trust(True, ca_file).context()
    assert opening.Trust().context() is not opening.Trust(verify=False).context()


async def test_a_missing_authority_file_is_the_hubs_fault(tmp_path: Path) -> None:
    missing = str(tmp_path / "none.pem")
    async with transport_to("https://127.0.0.1:1", ca_file=missing) as transport:
        with pytest.raises(HubFault) as caught:
            await get(transport, "https://127.0.0.1:1/")
    assert str(caught.value) == f"not asked: ca_file {missing}: No such file or directory"


async def test_it_serves_an_httpx_client() -> None:
    async with (
        serving(answering(response(b'{"a": 1}'), hold=True)) as server,
        httpx.AsyncClient(transport=KeptAliveTransport(server.url)) as client,
    ):
        assert (await client.get(server.url)).json() == {"a": 1}
        posted = await client.post(f"{server.url}/restart", json={"now": True})
    assert posted.status_code == 200
    assert server.connections == 1


async def test_a_streamed_request_body_is_sent_with_its_length() -> None:
    received = asyncio.get_running_loop().create_future()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await read_request(reader)
        received.set_result((head, await reader.readexactly(6)))
        writer.write(response())

    async def pieces() -> AsyncIterator[bytes]:
        yield b"abc"
        yield b"def"

    async with (
        serving(handle) as server,
        httpx.AsyncClient(transport=KeptAliveTransport(server.url)) as client,
    ):
        await client.post(server.url, content=pieces())
    head, body = await received
    assert body == b"abcdef"
    assert b"content-length: 6\r\n" in head.lower()
    assert b"transfer-encoding" not in head.lower()


async def test_a_client_follows_a_redirect_to_another_server() -> None:
    async with serving(answering(response(), hold=True)) as there:
        moved = response(b"", b"Location: " + there.url.encode() + b"/new", status=b"302 Found")
        async with serving(answering(moved, hold=True)) as here:
            transport = KeptAliveTransport(here.url)
            async with httpx.AsyncClient(transport=transport, follow_redirects=True) as client:
                assert (await client.get(f"{here.url}/old")).content == HEALTHY
            await asyncio.sleep(0.02)
            assert not there.open_writers
    assert there.requests[0].startswith(b"GET /new ")


@pytest.mark.parametrize(
    ("payload", "body"),
    [
        (response(gzip.compress(HEALTHY), b"Content-Encoding: gzip"), HEALTHY),
        (response(zlib.compress(HEALTHY), b"Content-Encoding: deflate"), HEALTHY),
        (response(zlib.compress(HEALTHY)[2:-4], b"Content-Encoding: Deflate"), HEALTHY),
        (response(HEALTHY, b"Content-Encoding: identity"), HEALTHY),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n",
            b"abc",
        ),
        (b"HTTP/1.1 200 OK\r\n\r\nuntil the end", b"until the end"),
        (b"HTTP/1.0 200 OK\r\n\r\nold", b"old"),
        (b"HTTP/1.1 200 OK\nContent-Length: 3\n\nabc", b"abc"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\n\r\n", b""),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + response(), HEALTHY),
    ],
    ids=[
        "gzip",
        "deflate",
        "bare deflate",
        "identity",
        "chunked",
        "until the connection closes",
        "HTTP/1.0",
        "bare line feeds",
        "204",
        "304",
        "after an interim response",
    ],
)
async def test_every_form_of_body_is_read(payload: bytes, body: bytes) -> None:
    async with probing(answering(payload)) as (server, transport):
        assert (await get(transport, f"{server.url}/")).body == body


async def test_an_unpacked_body_is_not_unpacked_again_by_a_client() -> None:
    packed = response(gzip.compress(HEALTHY), b"Content-Encoding: gzip")
    async with (
        serving(answering(packed)) as server,
        httpx.AsyncClient(transport=KeptAliveTransport(server.url)) as client,
    ):
        assert (await client.get(server.url)).content == HEALTHY


async def test_a_head_request_has_no_body() -> None:
    async with probing(answering(response(b"", length=1_000), hold=True)) as (server, transport):
        answers = [await get(transport, f"{server.url}/", method="HEAD") for _ in range(2)]
    assert [answer.body for answer in answers] == [b"", b""]


async def test_a_header_with_a_line_break_is_not_sent() -> None:
    async with transport_to("http://127.0.0.1:1") as transport:
        request = httpx.Request("GET", "http://127.0.0.1:1/", headers={"X": "a\r\nHost: evil"})
        with pytest.raises(httpx.LocalProtocolError):
            await transport.handle_async_request(request)


@given(st.lists(st.integers(1, 40), min_size=1))
def test_how_the_bytes_are_cut_does_not_matter(cuts: list[int]) -> None:
    packed = zlib.compress(HEALTHY * 5)
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (packed[:9], packed[9:]))
    payload = (
        b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
        b"Content-Encoding: deflate\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"
    )
    reader = ResponseReader(Limits())
    answer = None
    while payload and answer is None:
        size = cuts.pop(0) if cuts else len(payload)
        answer = reader.feed(payload[:size])
        payload = payload[size:]
    assert answer is not None
    assert (answer.status, answer.body, answer.keep_alive) == (200, HEALTHY * 5, True)
    assert answer.headers == [(b"Content-Type", b"application/json")]


@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_are_an_answer_or_a_failure(noise: bytes, as_body: bool) -> None:
    reader = ResponseReader(Limits(header_bytes=64, body_bytes=32))
    start = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" if as_body else b""
    answer = None
    with contextlib.suppress(httpx.RequestError):
        answer = reader.feed(start + noise) or reader.end()
    assert answer is None or len(answer.body) <= 32


def test_a_header_that_is_too_large_is_refused_though_it_came_with_its_body() -> None:
    reader = ResponseReader(Limits(header_bytes=100))
    with pytest.raises(httpx.RemoteProtocolError, match="response header larger than 100 bytes"):
        reader.feed(response(HEALTHY, b"X-Large: " + b"x" * 100))


async def test_a_kept_connection_that_was_closed_is_replaced_without_a_word() -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Close when the second request comes: it crosses the server's close."""
        await read_request(reader)
        writer.write(response())
        await read_request(reader)

    async with probing(handle) as (server, transport):
        for _ in range(3):
            assert (await get(transport, f"{server.url}/")).body == HEALTHY
    assert server.connections == 3


async def test_a_request_that_changes_something_is_not_sent_twice() -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(response())
        await read_request(reader)

    async with probing(handle) as (server, transport):
        await get(transport, f"{server.url}/")
        with pytest.raises(httpx.RemoteProtocolError):
            await get(transport, f"{server.url}/", method="POST")
    assert server.connections == 1


async def test_a_fresh_connection_that_is_closed_is_not_tried_again() -> None:
    async with probing(closing_at_once) as (server, transport):
        with pytest.raises(httpx.TransportError):
            await get(transport, f"{server.url}/")
    assert server.connections == 1


@pytest.mark.parametrize(
    "limits", [{"whole": 0.2}, {"connect": 0.1, "read": 0.1, "write": 9.0, "pool": 9.0}]
)
async def test_the_deadline_is_one_for_the_whole_exchange(limits: dict[str, float]) -> None:
    loop = asyncio.get_running_loop()
    async with probing(stalling()) as (server, transport):
        request = httpx.Request("GET", server.url, extensions={"timeout": limits})
        started = loop.time()
        with pytest.raises(httpx.ReadTimeout, match=r"no response headers within 0\.2 s"):
            await transport.handle_async_request(request)
    assert loop.time() - started < 0.4


async def test_an_answer_that_waits_in_the_socket_beats_the_deadline_of_a_busy_process() -> None:
    loop = asyncio.get_running_loop()
    child = _server_process(_ANSWERS_FOR_EVER)
    ours, other = socket.socketpair()

    def be_busy() -> None:
        ours.recv(1)
        time.sleep(0.4)

    try:
        url = _url_of(child)
        async with transport_to(url) as transport:
            await get(transport, url)
            loop.add_reader(ours, be_busy)
            asking = loop.create_task(get(transport, url, timeout_s=0.2))
            await asyncio.sleep(0.02)
            other.send(b"x")
            assert (await asking).body == b"{}"
    finally:
        loop.remove_reader(ours)
        ours.close()
        other.close()
        _end(child)


async def test_a_cancelled_request_closes_its_connection() -> None:
    async with probing(stalling()) as (server, transport):
        asking = asyncio.get_running_loop().create_task(get(transport, f"{server.url}/"))
        await until(lambda: server.requests, 1.0)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await until(lambda: not server.open_writers, 1.0)


async def test_closing_ends_what_is_under_way_as_the_hubs_doing() -> None:
    async with probing(stalling()) as (server, transport):
        asking = asyncio.get_running_loop().create_task(get(transport, f"{server.url}/"))
        await until(lambda: server.requests, 1.0)
        await transport.aclose()
        with pytest.raises(HubFault):
            await asking
        with pytest.raises(HubFault):
            await get(transport, f"{server.url}/")


async def test_bytes_after_the_answer_spoil_the_connection_not_the_answer() -> None:
    async with probing(answering(response(b"one") + response(b"two"), hold=True)) as (
        server,
        transport,
    ):
        assert [(await get(transport, f"{server.url}/")).body for _ in range(2)] == [b"one"] * 2
    assert server.connections == 2


async def test_bytes_that_come_between_requests_close_the_connection() -> None:
    async with probing(answering(response(), hold=True)) as (server, transport):
        await get(transport, f"{server.url}/")
        (writer,) = server.open_writers
        writer.write(response(b"unasked"))
        await asyncio.sleep(0.05)
        assert (await get(transport, f"{server.url}/")).body == HEALTHY
    assert server.connections == 2


_ANSWERS_FOR_EVER = """
import http.server, time
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        time.sleep(0.1)
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")
    def log_message(self, *_):
        pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
"""


def _server_process(program: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)


def _url_of(child: subprocess.Popen[str]) -> str:
    assert child.stdout is not None
    return f"http://127.0.0.1:{child.stdout.readline().strip()}"


def _end(child: subprocess.Popen[str]) -> None:
    child.kill()
    child.communicate()


async def test_the_death_of_the_server_is_told_within_a_second() -> None:
    lost: list[str] = []
    child = _server_process(_ANSWERS_FOR_EVER)
    try:
        url = _url_of(child)
        async with transport_to(url, lost=lost) as transport:
            await asyncio.gather(get(transport, url), get(transport, url))
            os.kill(child.pid, signal.SIGKILL)
            assert await until(lambda: lost, 1.0) < 1.0
            assert lost == ["mailer"]
    finally:
        _end(child)


def closing_after(idle_s: float, *, also_fresh: bool = True) -> Handler:
    """Answer requests, and close a connection that is idle for `idle_s`."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first = True
        while True:
            limit = None if first and not also_fresh else idle_s
            try:
                await asyncio.wait_for(read_request(reader), limit)
            except TimeoutError:
                return
            first = False
            writer.write(response())

    return handle


@on_uvloop
async def test_a_server_that_closes_idle_connections_is_not_called_lost() -> None:
    lost: list[str] = []
    async with probing(closing_after(1.0), lost=lost) as (server, transport):
        await get(transport, f"{server.url}/")
        await asyncio.sleep(2.5)
        assert lost == []
        assert len(server.requests) == 1
        assert server.connections == 3


@on_uvloop
async def test_a_server_that_is_gone_for_good_is_told_once_and_left_alone() -> None:
    lost: list[str] = []
    async with contextlib.AsyncExitStack() as stack:
        server = await stack.enter_async_context(serving(answering(response(), hold=True)))
        async with transport_to(server.url, lost=lost) as transport:
            await get(transport, f"{server.url}/")
            await stack.aclose()
            await until(lambda: lost, 1.0)
            await asyncio.sleep(1.2)
            assert lost == ["mailer"]


async def test_a_proxy_that_accepts_for_a_dead_backend_is_called_lost() -> None:
    lost: list[str] = []
    dead = False

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while not dead:
            await read_request(reader)
            writer.write(response())

    async with probing(handle, lost=lost) as (server, transport):
        await get(transport, f"{server.url}/")
        dead = True
        server.close_connections()
        await until(lambda: lost, 1.0)
        assert server.connections == 2


async def test_while_another_connection_is_idle_the_loss_of_one_means_nothing() -> None:
    lost: list[str] = []
    async with probing(answering(response(), hold=True), lost=lost) as (server, transport):
        await asyncio.gather(get(transport, server.url), get(transport, server.url))
        server.open_writers.pop().transport.abort()
        await asyncio.sleep(0.1)
        assert server.connections == 2
        assert lost == []


@on_uvloop
async def test_lost_connections_are_reopened_at_most_once_a_second() -> None:
    lost: list[str] = []
    async with probing(answering(response(), hold=True), lost=lost) as (server, transport):
        for _ in range(3):
            await get(transport, f"{server.url}/")
            server.close_connections()
            await asyncio.sleep(0.1)
        # One was opened at once; the loss of the third waits for its turn.
        opened = server.connections
        await asyncio.sleep(1.2)
        assert server.connections == opened + 1


@on_uvloop
async def test_a_peer_is_called_lost_at_most_once_a_second() -> None:
    now = 100.0
    lost: list[str] = []
    dead = False

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while not dead:
            await read_request(reader)
            writer.write(response())

    async with probing(handle, lost=lost, clock=lambda: now) as (server, transport):
        for _ in range(3):
            dead = False
            await get(transport, f"{server.url}/")
            dead = True
            server.close_connections()
            await asyncio.sleep(0.05)
            now += 0.3
        assert len(lost) == 1
        await until(lambda: lost[1:], 1.5)
        assert len(lost) == 2


async def test_closing_on_purpose_tells_nobody() -> None:
    lost: list[str] = []
    async with probing(answering(response(), hold=True), lost=lost) as (server, transport):
        await get(transport, f"{server.url}/")
    await asyncio.sleep(0.05)
    assert lost == []
    assert server.connections == 1


async def test_without_anyone_to_tell_nothing_is_reopened() -> None:
    async with probing(answering(response(), hold=True)) as (server, transport):
        await get(transport, f"{server.url}/")
        server.close_connections()
        await asyncio.sleep(0.05)
        assert server.connections == 1
