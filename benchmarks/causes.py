"""How often the ranking of causes is right beside plain baselines, and how long it takes.

    uv run python -m benchmarks.causes [FOLDER]

FOLDER is one traffic scenario of "The PetShop Dataset" (Hardt et al., 2023), which is not part of
this repository: `graph.csv`, `noissue/metrics.csv`, and `train` and `test` with cases of
`metrics.csv` and `target.json`. All methods get the same frames and the same graph in one run.

The quiet time of the data set was recorded at another time than its cases. It is moved to end an
hour before each case, so the first row of a case is the only one that is known to be just before.
Controls are windows of three samples out of the quiet time, with what came before as the past; for
small fleets, of one component and at most three that it calls.

Without FOLDER it is measured on made-up fleets alone, which also say how a ranking does where the
preferences of one data set do not hold.
"""

import argparse
import csv
import json
import random
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from data.analytics.limits import SAMPLES
from reasoning.causes import IncidentWindow, Ranking, explain, rank
from reasoning.causes.deviation import STANDS_OUT, deviations
from rules.projection import upstream_of

STATISTICS = ("Average", "Sum")
GAP = timedelta(hours=1)
LEAD = timedelta(minutes=5)
CONTROL_PAST = 200
CONTROL_EVERY = 5
ROUNDS = 50
FLEETS = 120
FLEET_METRICS = (
    "response_ms",
    "error_rate_percent",
    "cpu_percent",
    "memory_percent",
    "requests_per_s",
    "queue_depth",
)
END = datetime(2026, 3, 1, 12, tzinfo=UTC)

Graph = Mapping[str, Sequence[str]]
Method = Callable[[IncidentWindow], list[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """An incident and the component that caused it."""

    part: str
    window: IncidentWindow
    cause: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """How a method did on one part; times are per case."""

    cases: int
    top_1: int
    top_3: int
    mrr: float
    p50_ms: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", help="a scenario of the PetShop data set")
    folder: Path | None = parser.parse_args().folder
    if folder:
        show_accuracy(folder)
        show_abstention(folder)
    show_made_up()
    show_speed()


def show_accuracy(folder: Path) -> None:
    cases = list(read_cases(folder))
    print(f"{'method':<44}{'part':<7}{'cases':>6}{'top-1':>7}{'top-3':>7}{'MRR':>7}{'p50 ms':>8}")
    for name, method in METHODS.items():
        for part in ("train", "test"):
            one = judge(method, [case for case in cases if case.part == part])
            print(
                f"{name:<44}{part:<7}{one.cases:>6}{one.top_1:>7}{one.top_3:>7}"
                f"{one.mrr:>7.3f}{one.p50_ms:>8.1f}"
            )
    clear = [rank(case.window) for case in cases]
    print(f"of {len(cases)} cases, called clear: {sum(one.is_clear for one in clear)}")
    print(f"lowest score of a case: {min(one.causes[0].score for one in clear):.2f}")
    print(f"for example: {explain(clear[-1])}")


def judge(method: Method, cases: Sequence[Case]) -> Score:
    places, times = [], []
    for case in cases:
        start = time.perf_counter()
        ranked = method(case.window)
        times.append((time.perf_counter() - start) * 1e3)
        places.append(ranked.index(case.cause) + 1 if case.cause in ranked else None)
    return Score(
        cases=len(cases),
        top_1=sum(place == 1 for place in places),
        top_3=sum(place is not None and place <= 3 for place in places),
        mrr=statistics.fmean(1 / place if place else 0.0 for place in places),
        p50_ms=statistics.median(times),
    )


def show_abstention(folder: Path) -> None:
    graph, quiet = read_graph(folder), read_metrics(folder / "noissue" / "metrics.csv")
    for name, windows in (
        ("whole graph", controls(graph, quiet)),
        ("small fleets", small_controls(graph, quiet)),
    ):
        ranked = [rank(window) for window in windows]
        tops = sorted(one.causes[0].score if one.causes else 0.0 for one in ranked)
        silent = sum(not one.is_clear for one in ranked)
        print(
            f"controls, {name}: no clear cause in {silent} of {len(ranked)}, score p50"
            f" {statistics.median(tops):.2f}, p95 {tops[int(len(tops) * 0.95)]:.2f}"
        )


def show_speed() -> None:
    window = synthetic()
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        ranking: Ranking = rank(window)
        times.append((time.perf_counter() - start) * 1e3)
    times.sort()
    print(
        f"{window.metrics['project'].n_unique()} projects, {window.metrics.height:,} samples:"
        f" p50 {statistics.median(times):.1f} ms, p95 {times[int(ROUNDS * 0.95)]:.1f} ms,"
        f" first {ranking.causes[0].project}"
    )


def show_made_up() -> None:
    """Faults and quiet times of made-up fleets, see `fleet`."""
    cases = [fleet(seed, is_faulty=True) for seed in range(FLEETS)]
    for name, method in METHODS.items():
        one = judge(method, cases)
        print(f"made-up fleets, {name:<44}{one.top_1:>5}{one.top_3:>5} of {one.cases}")
    quiet = [rank(fleet(-seed, is_faulty=False).window) for seed in range(1, FLEETS)]
    silent = sum(not one.is_clear for one in quiet)
    print(f"made-up fleets, no fault: no clear cause in {silent} of {len(quiet)}")
    clear = sum(rank(case.window).is_clear for case in cases)
    print(f"made-up fleets, fault: a clear cause in {clear} of {len(cases)}")


def fleet(seed: int, *, is_faulty: bool) -> Case:
    """Return 3 to 30 projects, six metrics each, with noise of several kinds, and one fault.

    The fault is of 4 to 100 standard deviations in the project of the incident or upstream of it,
    and comes through to four of five dependents, weakened or amplified.
    """
    rng = random.Random(seed)
    names = [f"p{n}" for n in range(rng.choice([3, 5, 8, 15, 30]))]
    graph = {
        name: rng.sample(names[n + 1 :], min(len(names) - n - 1, rng.choice([0, 1, 1, 2, 3])))
        for n, name in enumerate(names)
    }
    own = rng.choice(names[: len(names) // 2])
    cause = rng.choice([own, *upstream_of(own, graph)])
    metric = rng.choice(["response_ms", "error_rate_percent"])
    sizes = _spread(rng, names, graph, own, cause) if is_faulty else {}
    courses = [
        (name, kind, END - timedelta(seconds=30 * (119 - step)), value)
        for name in names
        for kind in FLEET_METRICS
        for step, value in enumerate(_course(rng, sizes.get(name, 0.0) * (kind == metric)))
    ]
    window = IncidentWindow(
        project=own,
        metric=metric,
        opened_at=END - LEAD,
        ends_at=END,
        metrics=pl.DataFrame(courses, schema=SAMPLES, orient="row"),
        depends_on=graph,
    )
    return Case(part="made up", window=window, cause=cause)


def _spread(
    rng: random.Random, names: Sequence[str], graph: Graph, own: str, cause: str
) -> dict[str, float]:
    sizes = {cause: rng.choice([4.0, 6.0, 10.0, 30.0, 100.0])}
    for name in reversed(names):
        from_upstream = [sizes[other] for other in graph[name] if other in sizes]
        if name not in sizes and from_upstream and (name == own or rng.random() < 0.8):
            sizes[name] = max(from_upstream) * rng.choice([0.3, 0.6, 1.0, 1.0, 1.5, 2.5])
    sizes.setdefault(own, sizes[cause] / 2)
    return sizes


def _course(rng: random.Random, size: float) -> Iterator[float]:
    """Yield an hour at 30 s: independent, slowly wandering or with outliers, the end changed."""
    kind, base = rng.choice(["plain", "plain", "wandering", "outliers"]), rng.choice([1, 100, 3000])
    deviation, begins, before = base * rng.choice([0.02, 0.1, 0.2]), rng.choice([108, 109]), 0.0
    for step in range(120):
        noise = rng.gauss(0, 1)
        if kind == "wandering":
            noise = before = 0.9 * before + 0.43 * noise
        elif kind == "outliers" and rng.random() < 0.05:
            noise *= 6
        yield base + deviation * (noise + size * (step >= begins))


def synthetic() -> IncidentWindow:
    """Return a project that calls 15 and is called by 15, 8 metrics each, 1 h at 30 s."""
    rng = random.Random(1)
    names = ["own", *(f"up{n}" for n in range(15)), *(f"down{n}" for n in range(15))]
    metrics = ["response_ms", "error_rate_percent", "cpu_percent", *(f"m{n}" for n in range(5))]
    rows = [
        (name, metric, END - timedelta(seconds=30 * step), level(rng, name, metric, step))
        for name in names
        for metric in metrics
        for step in range(120)
    ]
    return IncidentWindow(
        project="own",
        metric="response_ms",
        opened_at=END - LEAD,
        ends_at=END,
        metrics=pl.DataFrame(rows, schema=SAMPLES, orient="row"),
        depends_on={"own": names[1:16], **{name: ["own"] for name in names[16:]}},
    )


def level(rng: random.Random, name: str, metric: str, step: int) -> float:
    slow = name in ("own", "up3") and metric == "response_ms" and step < 12
    return rng.gauss(400.0 if slow else 100.0, 10.0)


def by_ranking(window: IncidentWindow) -> list[str]:
    return [cause.project for cause in rank(window).causes]


def by_any_deviation(window: IncidentWindow) -> list[str]:
    return _largest(_deviations(window))


def by_deviation(window: IncidentWindow) -> list[str]:
    return _largest(_of_metric(window))


def by_onset(window: IncidentWindow) -> list[str]:
    """Those that stand out, the earliest first, of the same time the largest deviation first."""
    found = _of_metric(window).filter(pl.col("z").abs() >= STANDS_OUT)
    ordered = found.sort("onset_at", pl.col("z").abs(), descending=[False, True])
    return ordered["project"].to_list()


def by_traversal(window: IncidentWindow) -> list[str]:
    """Those upstream that stand out, and call nothing that does; the largest deviation first."""
    found = _of_metric(window).filter(pl.col("z").abs() >= STANDS_OUT)
    anomalous = set(found["project"])
    near = {window.project, *upstream_of(window.project, window.depends_on)}
    last = [
        name
        for name in anomalous & near
        if not anomalous.intersection(window.depends_on.get(name, ()))
    ]
    return _largest(found.filter(pl.col("project").is_in(last)))


def by_conditional_deviation(window: IncidentWindow) -> list[str]:
    """Deviation of what is left after a stagewise regression on those it calls, in the past.

    After CIRCA (Li et al., 2022), which regresses on all parents at once.
    """
    wide = (
        window.metrics.filter(pl.col("metric") == window.metric)
        .pivot("project", index="at", values="value", aggregate_function="mean")
        .sort("at")
    )
    left = []
    for name in wide.columns[1:]:
        rest = wide.select("at", value=name)
        for other in window.depends_on.get(name, ()):
            if other in wide.columns:
                rest = _without(rest, wide[other], window.begins_at)
        left.append(rest.select(pl.lit(name).alias("project"), pl.lit("rest").alias("metric"), "*"))
    frame = pl.concat(left).drop_nulls()
    return _largest(deviations(frame, window.begins_at, window.ends_at, 2 * window.lead))


def _without(frame: pl.DataFrame, other: pl.Series, begins_at: datetime) -> pl.DataFrame:
    both = frame.with_columns(other=other)
    past = both.filter(pl.col("at") < begins_at).drop_nulls()
    slope = past.select(pl.cov("value", "other") / pl.col("other").var()).item()
    if slope is None or not abs(slope) < float("inf"):
        return frame
    center = past["other"].median()
    explained = (pl.col("other") - center) * slope
    return both.select("at", value=pl.col("value") - explained.fill_null(0.0))


def _deviations(window: IncidentWindow) -> pl.DataFrame:
    return deviations(window.metrics, window.begins_at, window.ends_at, 2 * window.lead)


def _of_metric(window: IncidentWindow) -> pl.DataFrame:
    return _deviations(window).filter(pl.col("metric") == window.metric)


def _largest(frame: pl.DataFrame) -> list[str]:
    ordered = frame.sort(pl.col("z").abs(), "project", descending=[True, False])
    return list(dict.fromkeys(ordered["project"]))


METHODS: Mapping[str, Method] = {
    "largest deviation of any metric": by_any_deviation,
    "largest deviation of the incident's metric": by_deviation,
    "earliest onset": by_onset,
    "traversal to the deepest anomaly": by_traversal,
    "deviation given those upstream": by_conditional_deviation,
    "rank": by_ranking,
}


def read_cases(folder: Path) -> Iterator[Case]:
    graph, quiet = read_graph(folder), read_metrics(folder / "noissue" / "metrics.csv")
    for path in sorted(folder.glob("t*/issue_*/target.json")):
        told = json.loads(path.read_text())
        own = read_metrics(path.with_name("metrics.csv"))
        shift = _edges(own)[0] - GAP - _edges(quiet)[1]
        opened_at = datetime.fromtimestamp(told["target"]["timestamp"], UTC)
        yield Case(
            part=path.parts[-3],
            cause=told["root_cause"]["node"],
            window=IncidentWindow(
                project=told["target"]["node"],
                metric=told["target"]["metric"],
                opened_at=opened_at,
                ends_at=_edges(own)[1],
                metrics=pl.concat([quiet.with_columns(at=pl.col("at") + shift), own]),
                depends_on=graph,
                lead=LEAD,
            ),
        )


def controls(graph: Graph, quiet: pl.DataFrame) -> Iterator[IncidentWindow]:
    times = quiet["at"].unique().sort().to_list()
    for place in range(CONTROL_PAST, len(times) - 2, CONTROL_EVERY):
        for metric in ("latency", "availability"):
            yield IncidentWindow(
                project="PetSite",
                metric=metric,
                opened_at=times[place] + LEAD,
                ends_at=times[place + 2],
                metrics=quiet,
                depends_on=graph,
                lead=LEAD,
            )


def small_controls(graph: Graph, quiet: pl.DataFrame) -> Iterator[IncidentWindow]:
    rng = random.Random(1)
    callers = sorted(name for name, called in graph.items() if called)
    for window in controls(graph, quiet):
        name = rng.choice(callers)
        called = rng.sample(sorted(graph[name]), min(3, len(graph[name])))
        few = quiet.filter(pl.col("project").is_in([name, *called]))
        yield replace(window, project=name, depends_on={name: called}, metrics=few)


def read_graph(folder: Path) -> Graph:
    """Return whom each component calls: the columns of its row that are not 0."""
    (_, *names), *rows = csv.reader((folder / "graph.csv").read_text().splitlines())
    return {
        row[0]: tuple(name for name, cell in zip(names, row[1:], strict=True) if float(cell or 0))
        for row in rows
    }


def read_metrics(path: Path) -> pl.DataFrame:
    projects, metrics, kinds, _, *rows = csv.reader(path.read_text().splitlines())
    samples = [
        (project, metric, datetime.fromtimestamp(float(row[0]), UTC), float(cell))
        for row in rows
        for project, metric, kind, cell in zip(projects, metrics, kinds, row, strict=True)
        if kind in STATISTICS and cell
    ]
    return pl.DataFrame(samples, schema=SAMPLES, orient="row")


def _edges(samples: pl.DataFrame) -> tuple[datetime, datetime]:
    """Return when the first and when the last sample was."""
    times = samples["at"].sort()
    return times[0], times[-1]


if __name__ == "__main__":
    main()
