"""The chatbot of the demo fleet: conversations, tokens, an upstream model and a cache before it.

It also writes subject lines for email-blast. Its tangled case is a configuration reload that
puts the request's id into the cache key: hardly anything is found in the cache any more, four
times as many calls go to the upstream model, which limits the rate; answers take seconds, and
subject lines come back empty. The process itself is in the best of health.
"""

from collections.abc import Callable
from typing import ClassVar

from hub.fleet.asgi_json import send_json
from hub.fleet.project import DemoProject, Options
from hub.fleet.serving import serve_project
from hub.fleet.story import CRITICAL, ERROR, INFO, WARNING, Plot
from hub.fleet.vitals import Profile
from hub.standard_api import Receive, Scope, Send

USUAL_HIT_RATIO, BROKEN_HIT_RATIO = 0.85, 0.25
HIT_RATIO_FALLS_IN_S = 4.0


class Chatbot(DemoProject):
    """Answers people, and email-blast's requests for subject lines."""

    name: ClassVar = "chatbot"
    purpose: ClassVar = "answers customers' questions"
    profile: ClassVar = Profile(
        requests_per_s=90,
        cpu_percent=33,
        memory_percent=47,
        error_rate_percent=0.6,
        response_ms=95,
    )
    usual_lines: ClassVar = (
        (INFO, "{conversations:.0f} conversations open, cache hit ratio {cache_hit_ratio}"),
        (INFO, "upstream model answered in {upstream_ms:.0f} ms (median of the last minute)"),
        (INFO, "conversation closed, rated 5 of 5"),
    )
    plots: ClassVar = {
        "leak": Plot(
            opening=((INFO, "session store: 12,480 transcripts held, none expired"),),
            going_on=(
                (WARNING, "memory at {memory} %, response cache has no upper bound"),
                (WARNING, "garbage collection freed 0.2 MB in 310 ms"),
                (ERROR, "allocation failed: MemoryError while caching a transcript of 4.1 MB"),
            ),
        ),
        "spike": Plot(
            going_on=(
                (WARNING, "worker 2 busy for {wait_s} s: re-embedding the knowledge base"),
                (WARNING, "cpu at {cpu} %, 14 requests wait for a worker"),
            )
        ),
        "errors": Plot(
            opening=((INFO, "release {version}: switched to the streaming client"),),
            going_on=(
                (
                    ERROR,
                    "request failed\nTraceback (most recent call last):\n"
                    '  File "chatbot/reply.py", line 88, in reply\n'
                    "    async for piece in client.stream(prompt, tool_choice=tools):\n"
                    "TypeError: stream() got an unexpected keyword argument 'tool_choice'",
                ),
                (ERROR, "conversation ended early: no reply could be made (release {version})"),
            ),
        ),
        "slow": Plot(
            going_on=(
                (WARNING, "waited {wait_s} s for a database connection (pool of 5, 41 waiting)"),
                (WARNING, "slow request: POST /v1/messages took {wait_s} s"),
            )
        ),
        "tangled": Plot(
            opening=(
                (INFO, "configuration reloaded: revision {revision}, 41 settings, 2 changed"),
                (INFO, "ui.greeting = 'Hello! How can we help?' (was 'Hi! How can we help?')"),
                (
                    INFO,
                    "cache.key_fields = ['tenant', 'prompt', 'request_id'] "
                    "(was ['tenant', 'prompt'])",
                ),
            ),
            going_on=(
                (
                    INFO,
                    "cache: hit ratio {cache_hit_ratio}, {upstream_calls_per_s} calls/s upstream",
                ),
                (WARNING, "upstream model said 429 (rate limited), next try in {wait_s} s"),
                (WARNING, "subject line empty: finish_reason=rate_limited, answered as it is"),
                (CRITICAL, "upstream budget of this hour is 80 % used"),
            ),
        ),
    }

    def __init__(self, options: Options) -> None:
        self._hit_ratio = USUAL_HIT_RATIO
        super().__init__(options)

    def gauges(self) -> dict[str, Callable[[], float]]:
        return {
            "conversations": lambda: 40 + round(12 * self.vitals.wave()),
            "cache_hit_ratio": lambda: round(self._hit_ratio, 3),
            "upstream_calls_per_s": self._upstream_calls_per_s,
            "upstream_ms": lambda: round(5 * self.vitals.response_ms(), 1),
        }

    def checks(self) -> dict[str, Callable[[], tuple[str, str]]]:
        return {"upstream": lambda: ("healthy", "connected"), "sessions": lambda: ("healthy", "")}

    def work(self, requests: int, errors: int) -> None:
        starved_s = self.faults.elapsed_s("tangled")
        fallen = 0.0 if starved_s is None else min(starved_s / HIT_RATIO_FALLS_IN_S, 1.0)
        usual = USUAL_HIT_RATIO + self.vitals.jitter(0.01)
        self._hit_ratio = usual + fallen * (BROKEN_HIT_RATIO - USUAL_HIT_RATIO)
        self.api.count("tokens_total", 310 * (requests - errors))

    def _upstream_calls_per_s(self) -> float:
        """Return the cache's misses; from four times the usual on, the model limits the rate."""
        if self.vitals.paused:
            return 0.0
        load = self.profile.requests_per_s * (1 + 0.3 * self.vitals.wave())
        return round(load * min(1 - self._hit_ratio, 4 * (1 - USUAL_HIT_RATIO)), 1)

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/v1/subject-line":
            limited = self.faults.elapsed_s("tangled") is not None
            reply = {"subject": "", "finish_reason": "rate_limited"}
            usual = {"subject": "Spring is here, and so is 20 % off", "finish_reason": "stop"}
            await send_json(send, 200, reply if limited else usual)
        else:
            await super().answer(scope, receive, send)


if __name__ == "__main__":
    serve_project(Chatbot)
