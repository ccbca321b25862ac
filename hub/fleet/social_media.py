"""The social-media poster of the demo fleet: scheduled posts, rate limits, media processing."""

from collections.abc import Callable
from typing import ClassVar

from hub.fleet.project import DemoProject, Options
from hub.fleet.serving import serve_project
from hub.fleet.story import ERROR, INFO, WARNING, Plot
from hub.fleet.vitals import Profile

RATE_LIMIT = 900
CALLS_PER_POST = 25


class SocialMedia(DemoProject):
    """Publishes what was scheduled."""

    name: ClassVar = "social-media"
    purpose: ClassVar = "publishes scheduled posts on four networks"
    profile: ClassVar = Profile(
        requests_per_s=70,
        cpu_percent=30,
        memory_percent=43,
        error_rate_percent=0.5,
        response_ms=65,
    )
    usual_lines: ClassVar = (
        (INFO, "post published on 4 networks, {posts_scheduled:.0f} still scheduled"),
        (INFO, "rate limit: {rate_limit_remaining:.0f} of 900 calls left in this window"),
        (INFO, "video transcoded to 1080x1920 in 1.8 s"),
    )
    plots: ClassVar = {
        "leak": Plot(
            opening=((INFO, "thumbnail cache: 48,213 images held"),),
            going_on=(
                (WARNING, "memory at {memory} %, thumbnails are not evicted"),
                (ERROR, "allocation failed: MemoryError in resize_image (3840x2160)"),
            ),
        ),
        "spike": Plot(
            going_on=(
                (WARNING, "transcoder busy for {wait_s} s: 4k video without hardware support"),
                (WARNING, "cpu at {cpu} %, {media_in_progress:.0f} media files wait"),
            )
        ),
        "errors": Plot(
            opening=((INFO, "release {version}: posts go through version 3 of the networks' API"),),
            going_on=(
                (
                    ERROR,
                    "post failed\nTraceback (most recent call last):\n"
                    '  File "social_media/publish.py", line 142, in publish\n'
                    "    reply.raise_for_status()\n"
                    "HTTPStatusError: 422 from the media API: field 'aspect_ratio' is missing",
                ),
                (ERROR, "post moved to the retry queue (release {version})"),
            ),
        ),
        "slow": Plot(
            going_on=(
                (WARNING, "object storage answered after {wait_s} s"),
                (WARNING, "slow request: POST /v1/posts took {wait_s} s"),
            )
        ),
    }

    def __init__(self, options: Options) -> None:
        self._calls = 0
        super().__init__(options)

    def gauges(self) -> dict[str, Callable[[], float]]:
        return {
            "posts_scheduled": lambda: 220 + round(30 * self.vitals.wave()),
            "rate_limit_remaining": lambda: RATE_LIMIT - round(300 * (1 + self.vitals.wave(0.3))),
            "media_in_progress": self._media_in_progress,
        }

    def checks(self) -> dict[str, Callable[[], tuple[str, str]]]:
        return {
            "scheduler": lambda: ("healthy", "next post in 12 s"),
            "storage": lambda: ("healthy", ""),
        }

    def work(self, requests: int, errors: int) -> None:
        posts, self._calls = divmod(self._calls + requests - errors, CALLS_PER_POST)
        self.api.count("posts_published_total", posts)

    def _media_in_progress(self) -> float:
        spiking_s = self.faults.elapsed_s("spike")
        return 3 + round(abs(self.vitals.jitter(2))) + (0 if spiking_s is None else int(spiking_s))


if __name__ == "__main__":
    serve_project(SocialMedia)
