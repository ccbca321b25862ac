"""Kinds of log lines: lines that differ in numbers alone are one template.

The masking is the first step of Drain (He et al., 2017) without its tree: enough to tell what is
new, and the same for a line wherever it is read.
"""

from datetime import datetime
from typing import Final

import polars as pl

_HEX: Final = (
    r"(?i)\b(?:0x[0-9a-f]+|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
    r"|[0-9a-f]{7,})\b"
)
_LONGEST: Final = 200


def template(message: pl.Expr) -> pl.Expr:
    """Return a message on one line, hexadecimal and decimal numbers masked, 200 characters."""
    return (
        message.str.replace_all(r"[\s\p{C}]+", " ")
        .str.strip_chars()
        .str.replace_all(_HEX, "<hex>")
        .str.replace_all(r"\d+", "<n>")
        .str.slice(0, _LONGEST)
    )


def surges(logs: pl.DataFrame, begins_at: datetime, ends_at: datetime) -> pl.DataFrame:
    """Return a row per project and template that came more often since `begins_at` than before.

    `expected` is how many the time before lets expect, by its length from the oldest line of the
    project on; `z` is how much more `during` is, in standard deviations of a Poisson count with
    one line more, so that a single new line is no surge. `first_at` is the first one since.
    """
    since_s = max((ends_at - begins_at).total_seconds(), 1.0)
    oldest = pl.col("at").min().over("project")
    return (
        logs.lazy()
        .filter(pl.col("at") <= ends_at)
        .select(
            "project",
            "at",
            template=template(pl.col("message")),
            is_past=pl.col("at") < begins_at,
            past_s=(begins_at - oldest).dt.total_seconds().clip(lower_bound=since_s),
        )
        .group_by("project", "template")
        .agg(
            during=(~pl.col("is_past")).sum(),
            expected=pl.col("is_past").sum() * since_s / pl.col("past_s").first(),
            first_at=pl.col("at").filter(~pl.col("is_past")).min(),
        )
        .with_columns(z=(pl.col("during") - pl.col("expected")) / (pl.col("expected") + 1).sqrt())
        .filter(pl.col("z") > 1)
        .sort("z", "project", "template", descending=[True, False, False])
        .collect()
    )
