"""Which side of a metric is the bad one, by its name; what is named neither way may be both."""

from typing import Final

LOWER_IS_WORSE: Final = r"availab|success|uptime|free|remaining|hit_ratio|hit_rate"
HIGHER_IS_WORSE: Final = (
    r"latency|_ms$|duration|error|fail|timeout|cpu|memory|disk|queue|backlog|lag|retry|retries"
)
