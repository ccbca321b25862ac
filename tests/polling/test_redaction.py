import json
import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.polling.payloads.redaction import Redactor, names_secret, redact, redact_unmistakable

PLACEHOLDER = re.compile(r"\[redacted:([a-z_]+):[0-9a-f]{6}\]")
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P"
GITHUB = "ghp_" + "aB3" * 12
TELEGRAM = "123456789:AA" + "Hx_-9" * 7
KEY = "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\nIBAAKC\n-----END RSA PRIVATE KEY-----"


def kinds(text: str) -> list[str]:
    return PLACEHOLDER.findall(redact(text))


def blanked(text: str) -> str:
    return PLACEHOLDER.sub("#", redact(text))


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("Authorization: Bearer abc.def", "Authorization: Bearer #"),
        ("authorization: basic dXNlcjpwYXNz", "authorization: basic #"),
        ("Proxy-Authorization: Token abcdef", "Proxy-Authorization: Token #"),
        ("Authorization: abcdef0123", "Authorization: #"),
        ('Authorization: Digest username="bob", response="6629"', "Authorization: Digest #"),
        ('{"Authorization": "Bearer abcdef"}', '{"Authorization": "Bearer #"}'),
        ("curl -H 'Authorization: Bearer abc' http://x/", "curl -H 'Authorization: Bearer #' http://x/"),
        ("sent Bearer a1b2c3d4e5 to it", "sent Bearer # to it"),
        ("password=hunter2", "password=#"),
        ("password = hunter2 for bob", "password = # for bob"),
        ("DB_PASSWORD=hunter2, host=db", "DB_PASSWORD=#, host=db"),
        ("Password=hunter2;Server=db", "Password=#;Server=db"),
        ("passwd: hunter2", "passwd: #"),
        ("PGPASSPHRASE='two words' x", "PGPASSPHRASE='#' x"),
        ("client_secret=abc&grant=x", "client_secret=#&grant=x"),
        ("?access_token=abc&x=1", "?access_token=#&x=1"),
        ("aws_secret_access_key = abc/def+gh=", "aws_secret_access_key = #"),
        ("X-Api-Key: 12345", "X-Api-Key: #"),
        ("apikey: 12345", "apikey: #"),
        ("apiKey=12345", "apiKey=#"),
        ('{"password": "hun\\"ter2", "user": "bob"}', '{"password": "#", "user": "bob"}'),
        ("{'token': 'abc', 'n': 1}", "{'token': '#', 'n': 1}"),
        ('{"password":123456}', '{"password":#}'),
        (r"{\"password\":\"hunter2\",\"n\":1}", r"{\"password\":\"#\",\"n\":1}"),
        ("secret => abc", "secret => #"),
        ("password=unfinished 'quote", "password=# 'quote"),
        ('password="unfinished quote', 'password="#'),
        ("mysql --password hunter2 -h db", "mysql --password # -h db"),
        ("tool --api-key=abc", "tool --api-key=#"),
        ("AKIAIOSFODNN7EXAMPLE used", "# used"),
        (f"token {GITHUB} expired", "token # expired"),
        ("github_pat_11ABCDEFG0abcdefghij_klmno", "#"),
        ("xoxb-123456789012-abcdefABCDEF", "#"),
        ("sk_live_abcdefgh12345678", "#"),
        ("key sk-ant-api03-aB3dE6gH9jK2", "key #"),
        ("AIza" + "b" * 35, "#"),
        (f"GET /bot{TELEGRAM}/sendMessage", "GET /bot#/sendMessage"),
        (f"session {JWT}.", "session #."),
        ("postgres://app:s3cr3t@db:5432/main", "postgres://app:#@db:5432/main"),
        ("redis://:s3cr3t@cache", "redis://:#@cache"),
        ("https://bob:p@ss@example.com/", "https://bob:#@example.com/"),
        ("Set-Cookie: sid=abc; Path=/; HttpOnly", "Set-Cookie: #"),
        ('"Cookie: sid=abc; theme=dark" 200', '"Cookie: #" 200'),
        ('Cookie: sid="abc"; theme=dark', "Cookie: #"),
        (f"before {KEY} after", "before # after"),
        ("-----BEGIN PRIVATE KEY-----\nMIIEow", "#"),
        ("card 4111111111111111 charged", "card # charged"),
        ("card 4111 1111 1111 1111 charged", "card # charged"),
        ("card 4111-1111-1111-1111", "card #"),
        ("amex 3782 822463 10005", "amex #"),
    ],
)  # fmt: skip
def test_a_secret_is_taken_out_and_what_is_around_it_stays(text: str, kept: str) -> None:
    assert blanked(text) == kept


@pytest.mark.parametrize(
    "text",
    [
        "bob@example.com signed in",
        "https://example.com/a?b=c#d",
        "https://example.com:8080/@bob",
        "the password is required",
        "password=",
        "password=null, token=None",
        "password=********",
        "tokens=512 token_count=7",
        "bearer authentication failed",
        "basic functionality works",
        "task-risk-disk-something-12345",
        "the api key is missing",
        "cookies: 3",
        "at 1767225600000 and 1767225600000000",
        "card 4111111111111112 is no card",
        "550e8400-e29b-41d4-a716-446655440000",
        "id 0.4111111111111111",
        "2026-01-01 00:00:00 192.168.100.200",
        "eyJ is how a token begins",
        "AKIA is how a key begins",
        "-----BEGIN CERTIFICATE-----",
        "",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redact(text) == text


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("DB_PASSWD=x1", "password"),
        ("refreshToken=x1", "token"),
        ("api-key=x1", "api_key"),
        ("apikey=x1", "api_key"),
        ("private_key=x1", "private_key"),
        ("client_secret=x1", "secret"),
        ("Bearer a1b2c3d4e5", "bearer"),
        ("4111111111111111", "card"),
        (JWT, "jwt"),
    ],
)
def test_a_placeholder_names_the_kind(text: str, kind: str) -> None:
    assert kinds(text) == [kind]


def test_equal_secrets_stay_equal_and_others_do_not() -> None:
    first, second, third = (redact(f"password={each}")[-7:] for each in ("a1", "a1", "b2"))

    assert first == second != third


def test_the_key_decides_the_placeholder() -> None:
    text = "password=hunter2"

    assert Redactor(b"one").redact(text) == Redactor(b"one").redact(text)
    assert Redactor(b"one").redact(text) != Redactor(b"two").redact(text)


def test_only_the_unmistakable_goes_where_names_mean_little() -> None:
    text = f'used{{token="input",key="{GITHUB}"}}'

    assert PLACEHOLDER.sub("#", redact_unmistakable(text)) == 'used{token="input",key="#"}'


@pytest.mark.parametrize("name", ["password", "DB_PASSWORD", "apiKey", "x-api-key", "Cookie"])
def test_a_name_can_name_a_secret(name: str) -> None:
    assert names_secret(name)


@pytest.mark.parametrize("name", ["tokens_used", "password_changed_at", "keys", "user", ""])
def test_a_name_can_name_no_secret(name: str) -> None:
    assert not names_secret(name)


FRAGMENTS = """password PASSWD token secret _key api_key Authorization cookie Set-Cookie: = : " '
    \\ \\" :// @ user: sk- a1b2c3d4e5f6g7h8i9j0k1l2 ghp_ AKIA IOSFODNN7EXAMPLE eyJ .
    4111111111111111 [redacted: [redacted:token:abcdef] ] , ; -- xoxb- 123456789:AA hunter2 [ {
    } < - _ / ? *** null"""
fragments = st.sampled_from(FRAGMENTS.split()) | st.sampled_from(
    ["Bearer ", "Basic ", "Digest ", " ", "\n", "-----BEGIN PRIVATE KEY-----",
     "-----END PRIVATE KEY-----", "4111 1111 1111 1111", "--password "]
)  # fmt: skip


@settings(deadline=None)
@given(st.lists(fragments | st.text(max_size=3), max_size=12).map("".join))
def test_redacting_twice_changes_nothing(text: str) -> None:
    once = redact(text)

    assert redact(once) == once
    assert redact_unmistakable(redact_unmistakable(text)) == redact_unmistakable(text)


@settings(deadline=None)
@given(st.text().map("S3".__add__))
def test_no_part_of_a_password_in_json_survives(secret: str) -> None:
    assert blanked(json.dumps({"password": secret})) == '{"password": "#"}'
    assert blanked(json.dumps(json.dumps({"password": secret}))) == r'"{\"password\": \"#\"}"'


HOSTILE = ["password", "a", "eyJ", "eyJaaaaaa.", "://", "://a:b", "http://a:", '"password":"',
           'password=\\"', "password\\", "password=\\a", "Bearer ", "basic ", "authorization: ",
           "cookie=", "cookie='", "--password ", "--", "-", " ", "\\", "token=", "secret_key_hash",
           "-----BEGIN PRIVATE KEY-----", "-----BEGIN ", "-----BEGIN PRIVATE KEY----------END ",
           "4111 ", "41111111", "4111-1111-1111-1111 ", "sk-", "xoxb-", "AKIA", "123456789:AA",
           "[redacted:", "[redacted:token:abcdef", "password=[redacted:token:abcdef]"]  # fmt: skip


@pytest.mark.parametrize("fragment", HOSTILE)
def test_the_time_for_a_hostile_line_is_linear(fragment: str) -> None:
    line = fragment * (100_000 // len(fragment))
    started = time.process_time()

    redact(line)

    assert time.process_time() - started < 1
