import asyncio
import contextlib
import gzip
import re
import ssl
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import trustme

from config.projects_file import ProjectSpec
from data.records import HealthSample
from flows.polling.prober import Prober
from tests.polling.hostile import (
    HEALTHY,
    Handler,
    answering,
    answering_byte_by_byte,
    answering_then_resetting,
    closing_at_once,
    dripping,
    gzip_bomb,
    pouring,
    read_request,
    response,
    serving,
    speaking_first,
    stalling,
    unused_port,
)

TIMEOUT_S = 0.4
MB = 1_000_000
HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
GZIP = b"Content-Encoding: gzip"
BOMB = gzip_bomb()
PACKED = gzip.compress(HEALTHY * 10)


def spec_for(url: str, **fields: object) -> ProjectSpec:
    timeouts = dict.fromkeys(("health", "metrics", "details"), f"{TIMEOUT_S * 1000:.0f}ms")
    return ProjectSpec.model_validate({"name": "mailer", "url": url, "timeouts": timeouts} | fields)


@contextlib.asynccontextmanager
async def prober_of(url: str, **fields: object) -> AsyncIterator[Prober]:
    prober = Prober(spec_for(url, **fields), environ={})
    try:
        yield prober
    finally:
        await prober.aclose()


async def probe(url: str, **fields: object) -> HealthSample:
    """Probe once, and fail when that takes longer than a probe may take."""
    async with prober_of(url, **fields) as prober:
        async with asyncio.timeout(TIMEOUT_S + 0.5):
            return await prober.probe_health()


def redirecting(location: bytes) -> Handler:
    return answering(response(b"", b"Location: " + location, status=b"302 Found"), hold=True)


DOWN = [
    (
        "it resets before it answers",
        answering_then_resetting(b""),
        "connection reset after 0 bytes",
    ),
    (
        "it resets in the middle of the headers",
        answering_then_resetting(HEAD + b"Content-"),
        "connection reset after 25 bytes",
    ),
    (
        "it resets in the middle of the body",
        answering_then_resetting(response(b"abc", length=10)),
        "connection reset after 42 bytes",
    ),
    ("it closes without a word", closing_at_once, "connection (closed|reset) after 0 bytes"),
    ("it closes after the request", answering(b""), "connection closed after 0 bytes"),
    ("it never answers", stalling(), "no response headers within 0.4 s"),
    (
        "it stops in the middle of the headers",
        stalling(HEAD),
        r"no response headers within 0.4 s \(17 bytes came\)",
    ),
    (
        "its headers drip",
        dripping(HEAD, b"X-A: b\r\n"),
        r"no response headers within 0.4 s \(\d+ bytes came\)",
    ),
    (
        "its body drips",
        dripping(response(b"", length=1_000), b"x"),
        r"body not complete within 0.4 s \(\d+ bytes? came\)",
    ),
    (
        "it announces 50 MB",
        pouring(response(b"", length=50 * MB), bytes(MB), times=50),
        "body larger than 2,000,000 bytes",
    ),
    (
        "it sends 50 MB unannounced",
        pouring(HEAD + b"\r\n", bytes(MB), times=50),
        "body larger than 2,000,000 bytes",
    ),
    (
        "its body never ends",
        pouring(CHUNKED, b"10000\r\n" + bytes(0x10000) + b"\r\n"),
        "body larger than 2,000,000 bytes",
    ),
    (
        "its gzip is a bomb",
        answering(response(BOMB, GZIP), hold=True),
        "decompressed body larger than 2,000,000 bytes",
    ),
    (
        "its gzip is cut off",
        answering(response(PACKED[:-12], GZIP), hold=True),
        "gzip body ends too early",
    ),
    (
        "its gzip is none",
        answering(response(HEALTHY, GZIP), hold=True),
        "gzip body is damaged",
    ),
    (
        "its encoding is foreign",
        answering(response(HEALTHY, b"Content-Encoding: br"), hold=True),
        "content encoding not understood: br",
    ),
    ("it redirects in circles", redirecting(b"/health"), "redirected more than 5 times"),
    (
        "it redirects to a file",
        redirecting(b"file:///etc/passwd"),
        "redirected to what is not http or https: file:///etc/passwd",
    ),
    (
        "it redirects to nonsense",
        redirecting(b"http://x:nonsense/"),
        "redirected to what is not an address: http://x:nonsense/",
    ),
    (
        "it has a huge header",
        pouring(HEAD + b"X-Huge: ", b"x" * MB),
        "response header larger than 65,536 bytes",
    ),
    (
        "it has 100,000 headers",
        answering(HEAD + b"X-A: b\r\n" * 100_000 + b"\r\n", hold=True),
        "response header larger than 65,536 bytes",
    ),
    (
        "its trailer never ends",
        pouring(CHUNKED + b"1\r\nx\r\n0\r\nX-Huge: ", b"x" * MB),
        "body framing larger than 65,536 bytes",
    ),
    (
        "it is an SSH server",
        speaking_first(b"SSH-2.0-OpenSSH_9.6\r\n"),
        "not HTTP: the answer begins with 'SSH-2.0-OpenSSH_9.6..'",
    ),
    (
        "it speaks HTTP/0.9",
        answering(b"<html>ok</html>"),
        "not HTTP: the answer begins with '<html>ok</html>'",
    ),
    (
        "it announces more than it sends",
        answering(response(HEALTHY, length=100)),
        "connection closed after 21 of 100 bytes of the body",
    ),
    (
        "it announces more than it sends and waits",
        answering(response(HEALTHY, length=100), hold=True),
        r"body not complete within 0.4 s \(21 bytes came\)",
    ),
    (
        "its chunks are cut off",
        answering(CHUNKED + b"5\r\nabc"),
        r"connection closed before the end of the body \(3 bytes came\)",
    ),
    (
        "its chunks are garbage",
        answering(CHUNKED + b"zz\r\nabc\r\n", hold=True),
        "not HTTP: Invalid character in chunk size",
    ),
    (
        "its length is garbage",
        answering(HEAD + b"Content-Length: -1\r\n\r\n", hold=True),
        "not HTTP: Invalid character in Content-Length",
    ),
    (
        "its length is ambiguous",
        answering(HEAD + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc", hold=True),
        "not HTTP: .+",
    ),
    (
        "it floods with interim responses",
        pouring(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n" * 1_000),
        r"more than 10 interim \(1xx\) responses",
    ),
    (
        "it switches to another protocol",
        answering(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"),
        "not HTTP: status 101 was not asked for",
    ),
    (
        "it has NUL bytes in a header",
        answering(HEAD + b"X-A: a\0b\r\n\r\n", hold=True),
        "not HTTP: .+",
    ),
    ("it sends only NUL bytes", answering(bytes(100)), r"not HTTP: the answer begins with '.+'"),
    ("it answers 503", answering(response(b"", status=b"503 Busy")), "HTTP 503"),
]


@pytest.mark.parametrize(
    ("handle", "detail"), [case[1:] for case in DOWN], ids=[case[0] for case in DOWN]
)
async def test_a_project_is_down_when(handle: Handler, detail: str) -> None:
    async with serving(handle) as server:
        sample = await probe(server.url)
    assert sample.status == "down"
    assert sample.detail is not None
    assert re.fullmatch(detail, sample.detail)


HEALTHY_ALL_THE_SAME = [
    ("its body is no UTF-8", answering(response(b"\xff\xfe\x80" * 100))),
    ("its content type is wrong", answering(response(HEALTHY, b"Content-Type: image/png"))),
    ("its body is empty", answering(response(b""))),
    ("its body is of NUL bytes", answering(response(bytes(100)))),
    ("it announces less than it sends", answering(response(HEALTHY, length=2), hold=True)),
    ("it answers before it is asked", speaking_first(response(HEALTHY, b"Connection: close"))),
    ("it answers 204", answering(b"HTTP/1.1 204 No Content\r\n\r\n", hold=True)),
    ("it answers 304", answering(b"HTTP/1.1 304 Not Modified\r\n\r\n", hold=True)),
    ("it answers twice", answering(response() * 2, hold=True)),
    ("it answers byte by byte", answering_byte_by_byte(response())),
    ("it closes after each answer", answering(response())),
]


@pytest.mark.parametrize(
    "handle",
    [case[1] for case in HEALTHY_ALL_THE_SAME],
    ids=[case[0] for case in HEALTHY_ALL_THE_SAME],
)
async def test_a_project_is_healthy_twice_even_when(handle: Handler) -> None:
    async with serving(handle) as server, prober_of(server.url) as prober:
        for _ in range(2):
            sample = await prober.probe_health()
            assert (sample.status, sample.detail) == ("healthy", None)


async def test_a_port_where_nobody_listens_is_down() -> None:
    sample = await probe(f"http://127.0.0.1:{unused_port()}")
    assert (sample.status, sample.detail) == ("down", "connection refused")
    assert sample.response_ms is None


async def test_a_name_that_does_not_resolve_is_down() -> None:
    sample = await probe("http://nosuch.invalid")
    assert sample.status == "down"
    assert sample.detail is not None
    assert re.match("name (does not resolve|not resolved): nosuch.invalid", sample.detail)


async def test_a_name_that_cannot_be_one_is_down() -> None:
    name = "x" * 64 + ".invalid"
    sample = await probe(f"http://{name}")
    assert (sample.status, sample.detail) == ("down", f"name does not resolve: {name}")


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def tls_of(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


async def test_a_self_signed_certificate_is_not_trusted(
    authority: trustme.CA, tmp_path: Path
) -> None:
    pem = tmp_path / "self-signed.pem"
    authority.private_key_pem.write_to_path(str(pem))
    authority.cert_pem.write_to_path(str(pem), append=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(str(pem))
    async with serving(answering(response()), tls=context) as server:
        sample = await probe(server.url)
    assert sample.status == "down"
    assert sample.detail == "TLS certificate not trusted: self-signed certificate"


async def test_the_certificate_of_another_host_is_not_trusted(
    authority: trustme.CA, tmp_path: Path
) -> None:
    ca_file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    context = tls_of(authority.issue_cert("other.test"))
    async with serving(answering(response()), tls=context) as server:
        sample = await probe(server.url, ca_file=str(ca_file))
    assert sample.status == "down"
    assert sample.detail == (
        "TLS certificate not trusted: IP address mismatch, certificate is not valid for '127.0.0.1'"
    )


async def test_https_to_a_plain_server_is_down() -> None:
    async with serving(speaking_first(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as server:
        sample = await probe(f"https://127.0.0.1:{server.port}")
    assert sample.status == "down"
    assert sample.detail == "TLS handshake failed: the server does not speak TLS"


async def test_https_to_a_silent_server_is_down_in_time() -> None:
    async with serving(stalling()) as server:
        sample = await probe(f"https://127.0.0.1:{server.port}")
    assert sample.status == "down"
    assert sample.detail == "TLS handshake not complete within 0.4 s"


async def test_https_to_a_server_that_hangs_up_is_down() -> None:
    async with serving(closing_at_once) as server:
        sample = await probe(f"https://127.0.0.1:{server.port}")
    assert sample.status == "down"
    assert sample.detail == "TLS handshake failed: connection reset"


async def test_plain_http_to_a_tls_server_is_down() -> None:
    async with serving(speaking_first(b"\x15\x03\x01\x00\x02\x02\x16")) as server:
        sample = await probe(server.url)
    assert sample.status == "down"
    assert sample.detail == "not HTTP: the server speaks TLS (https)"


async def test_plain_http_to_a_real_tls_server_is_down(authority: trustme.CA) -> None:
    context = tls_of(authority.issue_cert("127.0.0.1"))
    async with serving(answering(response()), tls=context) as server:
        sample = await probe(f"http://127.0.0.1:{server.port}")
    assert sample.status == "down"


@pytest.fixture
def memory() -> Iterator[None]:
    tracemalloc.start()
    yield
    tracemalloc.stop()


ENDLESS = [
    ("a gzip bomb", answering(response(BOMB, GZIP), hold=True)),
    ("an endless body", pouring(HEAD + b"\r\n", bytes(100_000))),
    ("an endless header", pouring(HEAD + b"X: ", b"x" * 100_000)),
    ("endless headers", pouring(HEAD, b"X-A: b\r\n" * 10_000)),
    ("an endless trailer", pouring(CHUNKED + b"0\r\nX: ", b"x" * 100_000)),
    ("an endless chunk extension", pouring(CHUNKED + b"1;", b"x" * 100_000)),
    ("an endless status line", pouring(b"HTTP/1.1 200 ", b"x" * 100_000)),
]


@pytest.mark.usefixtures("memory")
@pytest.mark.parametrize("handle", [case[1] for case in ENDLESS], ids=[case[0] for case in ENDLESS])
async def test_memory_stays_bounded_under(handle: Handler) -> None:
    async with serving(handle) as server, prober_of(server.url) as prober:
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        sample = await prober.probe_health()
        peak = tracemalloc.get_traced_memory()[1] - before
    assert sample.status == "down"
    # The server's own buffers, in this process too, are in it.
    assert peak < 6 * MB


async def test_headers_of_the_user_stay_with_their_origin() -> None:
    headers = {"Authorization": "Bearer abc", "X-Tenant": "7"}
    async with (
        serving(answering(response(), hold=True)) as stranger,
        serving(redirecting(stranger.url.encode() + b"/x")) as server,
    ):
        sample = await probe(server.url, headers=headers)
    assert sample.status == "healthy"
    assert b"Bearer abc" in server.requests[0]
    assert b"opslore" in stranger.requests[0]
    assert b"Bearer" not in stranger.requests[0]
    assert b"X-Tenant" not in stranger.requests[0]
    assert b"Host: 127.0.0.1:%d\r\n" % stranger.port in stranger.requests[0]


async def test_headers_of_the_user_go_along_within_their_origin() -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while request := await read_request(reader):
            moved = response(b"", b"Location: /new", status=b"307 Temporary Redirect")
            writer.write(response() if request.startswith(b"GET /new ") else moved)

    async with serving(handle) as server:
        sample = await probe(server.url, headers={"Authorization": "Bearer abc"})
    assert sample.status == "healthy"
    assert [b"Bearer abc" in request for request in server.requests] == [True, True]
    assert server.connections == 1


async def test_a_chain_of_slow_redirects_ends_with_the_probes_deadline() -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await read_request(reader):
            await asyncio.sleep(0.15)
            writer.write(response(b"", b"Location: /health", status=b"302 Found"))

    async with serving(handle) as server:
        sample = await probe(server.url)
    assert (sample.status, sample.detail) == ("down", "no response headers within 0.4 s")


async def test_what_a_server_makes_us_store_is_plain_and_short() -> None:
    location = b"ftp://x/?token=s3cr3t-s3cr3t-s3cr3t&\x1b[31m" + b"y" * 5_000
    async with serving(redirecting(location)) as server:
        sample = await probe(server.url)
    assert sample.detail is not None
    assert len(sample.detail) <= 300
    assert sample.detail.isprintable()
    assert "s3cr3t" not in sample.detail


async def test_one_stalled_project_among_300_delays_nobody() -> None:
    loop = asyncio.get_running_loop()
    finished_at: list[float] = []

    async def probe_one(prober: Prober) -> HealthSample:
        sample = await prober.probe_health()
        finished_at.append(loop.time())
        return sample

    async with (
        serving(answering(response(), hold=True)) as good,
        serving(stalling()) as stalled,
        contextlib.AsyncExitStack() as stack,
    ):
        urls = [stalled.url] + [good.url] * 299
        probers = [
            await stack.enter_async_context(prober_of(url, timeouts={"health": "4s"}))
            for url in urls
        ]
        started = loop.time()
        samples = await asyncio.gather(*map(probe_one, probers))
    assert [sample.status for sample in samples] == ["down"] + ["healthy"] * 299
    assert sorted(finished_at)[298] - started < 3
    assert 3.9 < finished_at[-1] - started < 5.5
