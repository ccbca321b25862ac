"""HTTP actions: what is sent, and what is known afterwards, whatever the server does."""

import asyncio
import socket
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import trustme

from actions.call import Call, Outcome
from actions.carrier import Carrier
from tests.actions.targets import ATTEMPT, answer, call, target


async def _carried(one: Call, **environ: str) -> Outcome:
    async with Carrier(environ=environ) as carrier:
        return await carrier.carry_out(one)


def _http(url: str, **spec: Any) -> Call:
    return call(driver="http", url=url, **spec)


class TestWhatIsSent:
    async def test_the_attempt_is_the_idempotency_key(self) -> None:
        async with target() as server:
            outcome = await _carried(_http(f"{server.url}/restart"))
        assert (outcome.result, outcome.detail, outcome.status) == ("done", "answered 200", 200)
        assert (server.request.method, server.request.target) == ("POST", "/restart")
        assert server.request.headers["idempotency-key"] == str(ATTEMPT)

    async def test_the_idempotency_header_may_have_another_name_or_none(self) -> None:
        async with target() as server:
            await _carried(_http(server.url, idempotency_header="X-Once"))
            await _carried(_http(server.url, idempotency_header=None))
        first, second = server.received
        assert first.headers["x-once"] == str(ATTEMPT)
        assert str(ATTEMPT) not in second.headers.values()

    async def test_a_parameter_in_an_address_is_percent_encoded(self) -> None:
        async with target() as server:
            one = call(
                "deploy",
                {"version": "1.2/../x?a=b&ü"},
                driver="http",
                url=f"{server.url}/{{project}}/{{version}}?v={{version}}",
                method="PUT",
            )
            await _carried(one)
        encoded = "1.2%2F..%2Fx%3Fa%3Db%26%C3%BC"
        assert server.request.target == f"/chatbot/{encoded}?v={encoded}"

    @pytest.mark.parametrize("version", ["..", ".", ""])
    async def test_a_parameter_cannot_lead_elsewhere_in_a_path(self, version: str) -> None:
        async with target() as server:
            one = call(
                "deploy", {"version": version}, driver="http", url=f"{server.url}/a/{{version}}"
            )
            outcome = await _carried(one)
        assert (outcome.result, outcome.permanent, server.received) == ("failed", True, [])

    async def test_a_text_that_is_one_placeholder_keeps_its_type_in_json(self) -> None:
        body = {
            "replicas": "{instances}",
            "why": ["{reason}", "{instances} of {project}"],
            "n": None,
        }
        async with target() as server:
            await _carried(
                call("scale", {"instances": 3.0}, driver="http", url=server.url, body=body)
            )
        assert server.request.json() == {
            "replicas": 3,
            "why": ["memory_percent is above 85", "3 of chatbot"],
            "n": None,
        }
        assert server.request.headers["content-type"] == "application/json"

    async def test_what_is_left_out_is_not_in_the_json(self) -> None:
        parameters = {"tag": {"type": "text", "required": False}}
        async with target() as server:
            body = {"tag": "{tag}", "tags": ["{tag}"], "text": "x{tag}"}
            await _carried(_http(server.url, body=body, parameters=parameters))
        assert server.request.json() == {"tags": [], "text": "x"}

    async def test_a_form_is_encoded(self) -> None:
        async with target() as server:
            await _carried(_http(server.url, form={"a": "{project}&b", "k": "${KEY}"}), KEY="s=1")
        assert server.request.body == b"a=chatbot%26b&k=s%3D1"
        assert server.request.headers["content-type"] == "application/x-www-form-urlencoded"

    async def test_secrets_are_filled_in_at_the_last_moment(self) -> None:
        async with target() as server:
            one = _http(
                f"{server.url}/hooks/${{PATH_KEY}}",
                headers={"Authorization": "Bearer ${TOKEN}"},
                body={"key": "${TOKEN}", "price": "5$$"},
            )
            await _carried(one, TOKEN="t0k", PATH_KEY="T0/B0")
        assert server.request.target == "/hooks/T0/B0"
        assert server.request.headers["authorization"] == "Bearer t0k"
        assert server.request.json() == {"key": "t0k", "price": "5$"}

    async def test_the_whole_address_may_be_a_secret(self) -> None:
        async with target() as server:
            await _carried(_http("${PLATFORM}/restart"), PLATFORM=server.url)
        assert server.request.target == "/restart"

    async def test_a_parameter_that_looks_like_a_secret_is_not_read_again(self) -> None:
        async with target() as server:
            body = {"version": "{version}"}
            given = {"version": "${TOKEN} {project}"}
            await _carried(
                call("deploy", given, driver="http", url=server.url, body=body), TOKEN="x"
            )
        assert server.request.json() == given

    async def test_a_secret_that_is_not_set_fails_before_anything_is_sent(self) -> None:
        async with target() as server:
            outcome = await _carried(_http(server.url, headers={"X-A": "${TOKEN}"}))
        assert outcome.detail == "neither TOKEN nor TOKEN_FILE is set"
        assert (outcome.result, outcome.permanent, server.connections) == ("failed", True, 0)

    @pytest.mark.parametrize("value", ["a\r\nX-B: c", "ü", "a\0b"])
    async def test_a_secret_cannot_inject_a_header(self, value: str) -> None:
        async with target() as server:
            outcome = await _carried(_http(server.url, headers={"X-A": "${TOKEN}"}), TOKEN=value)
        assert (outcome.result, outcome.permanent, server.connections) == ("failed", True, 0)
        assert value not in outcome.detail

    async def test_no_cookie_of_one_answer_is_in_the_next_request(self) -> None:
        reply = answer(200, {}, set_cookie="session=1; Path=/")
        async with target(reply) as server, Carrier() as carrier:
            await carrier.carry_out(_http(server.url))
            await carrier.carry_out(_http(server.url))
        assert "cookie" not in server.received[1].headers
        assert server.connections == 2

    async def test_the_proxies_of_the_machine_have_no_part(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
        async with target() as server:
            assert (await _carried(_http(server.url))).result == "done"


class TestWhatIsKnownAfterwards:
    @pytest.mark.parametrize(
        ("status", "result", "permanent"),
        [
            (200, "done", False),
            (204, "done", False),
            (301, "failed", True),
            (304, "failed", True),
            (400, "failed", True),
            (404, "failed", True),
            (408, "failed", False),
            (409, "failed", True),
            (425, "failed", False),
            (429, "failed", False),
            (500, "failed", False),
            (501, "failed", True),
            (502, "unknown", False),
            (503, "unknown", False),
            (504, "unknown", False),
            (520, "unknown", False),
        ],
    )
    async def test_a_status_says_what_is_known(
        self, status: int, result: str, permanent: bool
    ) -> None:
        async with target(answer(status)) as server:
            outcome = await _carried(_http(server.url))
        assert (outcome.result, outcome.permanent, outcome.status) == (result, permanent, status)

    async def test_other_statuses_may_mean_success(self) -> None:
        async with target(answer(304)) as server:
            outcome = await _carried(_http(server.url, success={"status": [204, 304]}))
        assert outcome.result == "done"

    @pytest.mark.parametrize(
        ("body", "result"),
        [
            ({"data": {"ok": True}}, "done"),
            ({"data": {"ok": True}, "errors": None}, "done"),
            ({"data": {"ok": 1}}, "failed"),
            ({"data": None, "errors": [{"message": "no"}]}, "failed"),
            ([], "failed"),
            (b"<html>", "unknown"),
            (b"[" * 50_000, "unknown"),
            (b'{"data": "' + b"x" * 70_000 + b'"}', "unknown"),
        ],
    )
    async def test_an_answer_may_have_to_say_more(self, body: object, result: str) -> None:
        success = {"json": {"data.ok": True, "errors": None}}
        async with target(answer(200, body)) as server:
            outcome = await _carried(_http(server.url, success=success))
        assert outcome.result == result

    async def test_an_item_of_a_list_is_named_by_its_number(self) -> None:
        async with target(answer(200, {"a": [{"b": 1}, {"b": 2.0}]})) as server:
            outcome = await _carried(
                _http(server.url, success={"json": {"a.1.b": 2, "a.7.b": None}})
            )
        assert outcome.result == "done"

    async def test_what_a_refusal_says_is_told_on_one_line(self) -> None:
        async with target(answer(409, {"error": "a\nb"}, retry_after="30")) as server:
            outcome = await _carried(_http(server.url))
        assert outcome.detail == 'answered 409, retry after 30 s: {"error": "a\\nb"}'

    async def test_a_redirect_is_not_followed_and_only_its_host_is_told(self) -> None:
        async with target() as elsewhere:
            there = answer(302, location=f"{elsewhere.url}/?token=hunter2")
            async with target(there) as server:
                outcome = await _carried(_http(server.url))
        assert outcome.detail == "answered 302, a redirect to 127.0.0.1, which is not followed"
        assert elsewhere.connections == 0

    async def test_a_refused_connection_certainly_had_no_effect(self) -> None:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            outcome = await _carried(_http(f"http://127.0.0.1:{unused.getsockname()[1]}"))
        assert outcome.detail == "no connection: Connection refused"
        assert (outcome.result, outcome.permanent, outcome.status) == ("failed", False, None)

    async def test_a_name_that_nobody_knows_had_no_effect(self) -> None:
        outcome = await _carried(_http("http://nowhere.invalid"))
        assert outcome.result == "failed"
        assert outcome.detail.startswith("no connection: ")

    async def test_a_full_backlog_had_no_effect(self) -> None:
        """Where the connection never comes about, nothing was sent when the time is over."""
        with socket.create_server(("127.0.0.1", 0), backlog=0) as server:
            fillers = [socket.socket() for _ in range(4)]
            for filler in fillers:
                filler.setblocking(False)
                filler.connect_ex(server.getsockname())
            url = f"http://127.0.0.1:{server.getsockname()[1]}"
            outcome = await _carried(_http(url, timeout="1s"))
            for filler in fillers:
                filler.close()
        assert (outcome.result, outcome.detail) == ("failed", "no connection within 1s")


class TestHostileServers:
    async def test_no_answer_in_time_is_unknown(self) -> None:
        async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
            await reader.read()

        async with target(script=silent) as server:
            outcome = await _carried(_http(server.url, timeout="1s"))
        assert (outcome.result, outcome.detail) == ("unknown", "no answer within 1s")
        assert 0.9 < outcome.seconds < 5

    async def test_a_connection_that_breaks_after_sending_is_unknown(self) -> None:
        async def cut(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.transport.abort()

        async with target(script=cut) as server:
            outcome = await _carried(_http(server.url))
        assert (outcome.result, outcome.status) == ("unknown", None)

    @pytest.mark.parametrize(
        "garbage",
        [b"SSH-2.0-OpenSSH\r\n", b"\0" * 1000, b"HTTP/1.1 999\r\n\r\n", b"HTTP/1.1 2 O\r\n\r\n"],
    )
    async def test_garbage_is_unknown(self, garbage: bytes) -> None:
        async with target(garbage) as server:
            outcome = await _carried(_http(server.url, timeout="5s"))
        assert outcome.result == "unknown"
        assert "SSH" not in outcome.detail

    async def test_headers_without_end_are_unknown(self) -> None:
        async def flood(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 200 OK\r\n")
            while True:
                writer.write(b"x-a: " + b"b" * 10_000 + b"\r\n")
                await writer.drain()

        async with target(script=flood) as server:
            outcome = await _carried(_http(server.url, timeout="20s"))
        assert outcome.result == "unknown"
        assert outcome.seconds < 10

    async def test_of_a_body_without_end_only_so_much_is_read(self) -> None:
        sent = 0

        async def flood(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal sent
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            while True:
                writer.write(b"x" * 65_536)
                sent += 65_536
                await writer.drain()

        async with target(script=flood) as server:
            outcome = await _carried(_http(server.url, max_response_bytes=1_000))
        assert outcome.result == "done"
        assert sent < 20_000_000

    async def test_a_slow_drip_ends_with_the_time(self) -> None:
        async def drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
            while True:
                writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(0.05)

        async with target(script=drip) as server:
            outcome = await _carried(_http(server.url, timeout="1s"))
        assert outcome.detail == "answered 200, but no end of the answer within 1s"
        assert (outcome.result, outcome.status) == ("unknown", 200)

    async def test_a_refusal_stays_one_when_its_text_breaks_off(self) -> None:
        async with target(b"HTTP/1.1 403 No\r\ncontent-length: 99\r\n\r\nno") as server:
            outcome = await _carried(_http(server.url))
        assert (outcome.result, outcome.permanent) == ("failed", True)
        assert outcome.detail == "answered 403: no"

    async def test_an_answer_that_is_compressed_all_the_same_is_not_unpacked(self) -> None:
        async with target(answer(400, b"\x1f\x8b", content_encoding="gzip")) as server:
            outcome = await _carried(_http(server.url))
        assert outcome.detail == "answered 400"
        assert server.request.headers["accept-encoding"] == "identity"

    async def test_informational_answers_without_end_stop_with_the_time(self) -> None:
        async def flood(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while True:
                writer.write(b"HTTP/1.1 102 Processing\r\n\r\n")
                await writer.drain()
                await asyncio.sleep(0.01)

        async with target(script=flood) as server:
            outcome = await _carried(_http(server.url, timeout="1s"))
        assert outcome.result == "unknown"


class TestNoSecretIsTold:
    @pytest.mark.parametrize(
        "echo",
        [
            '{{"you": "{0}"}}',
            "{0}{0}",
            "aHVudGVyMiA8JiI+",
            "hunter2+%3C%26%22%3E",
            "hunter2%20%3C%26%22%3E",
            'hunter2 <&\\">',
        ],
    )
    async def test_an_answer_that_repeats_a_secret_is_masked(self, echo: str) -> None:
        secret = 'hunter2 <&">'
        text = echo.replace("{0}", secret).encode()
        async with target(answer(400, text)) as server:
            one = _http(server.url, headers={"X-A": "${TOKEN}"})
            outcome = await _carried(one, TOKEN=secret)
        assert "hunter2" not in outcome.detail
        assert "aHVudGVyMiA" not in outcome.detail
        assert "***" in outcome.detail

    async def test_a_header_written_without_a_secret_is_masked_by_its_name(self) -> None:
        async with target(answer(401, b"hunter2 is no token")) as server:
            one = _http(server.url, headers={"Authorization": "Bearer hunter2"})
            outcome = await _carried(one)
        assert outcome.detail == "answered 401: *** is no token"

    async def test_a_secret_that_is_cut_off_is_masked_first(self) -> None:
        async with target(answer(400, b"x" * 195 + b"hunter2hunter2")) as server:
            outcome = await _carried(_http(server.url, headers={"X": "${T}"}), T="hunter2hunter2")
        assert "hunt" not in outcome.detail


class TestTLS:
    @pytest.fixture
    def https(self, tmp_path: Path) -> Iterator[tuple[str, str]]:
        """The address of a server with a certificate of its own, and the file of its CA."""
        authority = trustme.CA()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("localhost").configure_cert(context)
        ca_file = tmp_path / "ca.pem"
        authority.cert_pem.write_to_path(str(ca_file))
        server = HTTPServer(("127.0.0.1", 0), _Quiet)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"https://localhost:{server.server_port}", str(ca_file)
        server.shutdown()
        thread.join()
        server.server_close()

    async def test_a_certificate_that_nobody_vouches_for_had_no_effect(
        self, https: tuple[str, str]
    ) -> None:
        outcome = await _carried(_http(https[0]))
        assert outcome.result == "failed"
        assert "certificate is not trusted" in outcome.detail

    async def test_a_ca_file_vouches(self, https: tuple[str, str]) -> None:
        assert (await _carried(_http(https[0], ca_file=https[1]))).result == "done"

    async def test_any_certificate_may_do(self, https: tuple[str, str]) -> None:
        assert (await _carried(_http(https[0], verify_tls=False))).result == "done"

    @pytest.mark.parametrize("content", [None, "no certificate"])
    async def test_a_ca_file_that_is_none_fails_before_anything_is_sent(
        self, content: str | None, tmp_path: Path
    ) -> None:
        file = tmp_path / "ca.pem"
        if content:
            file.write_text(content, encoding="utf-8")
        outcome = await _carried(_http("https://localhost:1", ca_file=str(file)))
        assert (outcome.result, outcome.permanent) == ("failed", True)
        assert outcome.detail.startswith(f"ca_file {file}: ")


class _Quiet(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""
