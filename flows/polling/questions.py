"""What a project is asked: requests that are built once and sent often."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final, NamedTuple

import httpx

from config import secret_values
from config.errors import OpsloreError
from config.projects_file import ProjectSpec

LOG_LINES: Final = 200

_JSON: Final = "application/json, */*;q=0.5"
_TEXT: Final = "text/plain;version=0.0.4, application/json;q=0.9, */*;q=0.5"


class Unaskable(OpsloreError):
    """The requests cannot be built; the text says why, without any secret."""


class Question(NamedTuple):
    """A request and the limit for its whole exchange."""

    request: httpx.Request
    timeout_s: float


class Questions(NamedTuple):
    """What can be asked; None is what the project does not offer."""

    health: Question | None
    metrics: Question | None
    status: Question | None
    logs: Question | None


def build_questions(spec: ProjectSpec, environ: Mapping[str, str]) -> Questions:
    """Return the project's requests, with the user's headers resolved from `environ`.

    Raises:
        Unaskable: a secret is missing, or a header cannot be sent as it is.
    """
    headers = _resolve_headers(spec.headers, environ)

    def question(path: str | None, accept: str, encoding: str, limit: timedelta) -> Question | None:
        if path is None:
            return None
        own = {"User-Agent": "opslore", "Accept": accept, "Accept-Encoding": encoding}
        merged = httpx.Headers(own)
        merged.update(headers)
        timeout_s = limit.total_seconds()
        request = httpx.Request(
            "GET",
            spec.url + path,
            headers=merged,
            extensions={"timeout": {"whole": timeout_s}},
        )
        return Question(request, timeout_s)

    paths, timeouts = spec.paths, spec.timeouts
    return Questions(
        # Small and asked often: not worth anyone's compressing.
        health=question(paths.health, _JSON, "identity", timeouts.health),
        metrics=question(paths.metrics, _TEXT, "gzip, deflate", timeouts.metrics),
        status=question(paths.status, _JSON, "gzip, deflate", timeouts.details),
        logs=question(_with_limit(paths.logs), _JSON, "gzip, deflate", timeouts.details),
    )


def _resolve_headers(templates: Mapping[str, str], environ: Mapping[str, str]) -> httpx.Headers:
    headers = httpx.Headers()
    for name, template in templates.items():
        try:
            value = secret_values.resolve(template, environ)
        except secret_values.SecretMissing as missing:
            raise Unaskable(f"the secret {missing.name} for the header {name} is not set") from None
        except OSError as error:
            raise Unaskable(
                f"the secret for the header {name} cannot be read: {error.strerror}"
            ) from None
        except ValueError:
            raise Unaskable(f"the header {name} is malformed") from None
        if not value.isascii() or not value.isprintable():
            raise Unaskable(f"the header {name} holds a character that cannot be sent")
        headers[name] = value
    return headers


def _with_limit(path: str | None) -> str | None:
    return path if path is None or "?" in path else f"{path}?limit={LOG_LINES}"
