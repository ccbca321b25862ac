"""Hubs share the projects by leases, without knowing each other."""

from datetime import UTC, datetime, timedelta

from config.projects_file import ProjectSpec
from data import agents, projects
from data.agents import Heartbeat
from data.database import Database
from data.projects import HeldProject, Holdings

LEASE = timedelta(seconds=10)


async def _register(database: Database, count: int) -> None:
    specs = [ProjectSpec(name=f"p{n}", url=f"http://127.0.0.1:{n + 1}") for n in range(count)]
    await projects.sync_file(database, "default", specs)


async def _live(database: Database, hub: str) -> None:
    now = datetime.now(UTC)
    poller = Heartbeat(
        agent="poller",
        state="running",
        started_at=now,
        silent_s=0.0,
        handled=0,
        errors=0,
        last_error=None,
        last_error_at=None,
    )
    await agents.beat(database, hub, [poller])


async def _hold(database: Database, hub: str, held: set[str]) -> Holdings:
    now = datetime.now(UTC)
    due = [HeldProject(name=name, next_health_at=now, next_metrics_at=now) for name in held]
    holdings = await projects.hold(database, hub, due, LEASE)
    held.clear()
    held |= {*holdings.kept, *(claimed.spec.name for claimed in holdings.claimed)}
    return holdings


async def _expire(database: Database, hub: str) -> None:
    """Let the hub's last sign of life be as old as that of one that died."""
    async with database.connection() as connection:
        await connection.execute(
            "UPDATE projects SET leased_until = now() - interval '1 s' WHERE leased_by = %s", [hub]
        )
        await connection.execute(
            "UPDATE agents SET heartbeat_at = now() - interval '1 hour' WHERE hub = %s", [hub]
        )


async def test_the_only_hub_claims_everything(database: Database) -> None:
    await _register(database, 5)
    held: set[str] = set()
    await _hold(database, "a", held)
    assert held == {"p0", "p1", "p2", "p3", "p4"}


async def test_a_second_hub_takes_half(database: Database) -> None:
    await _register(database, 10)
    a, b = set[str](), set[str]()
    await _live(database, "a")
    await _hold(database, "a", a)
    await _live(database, "b")
    await _hold(database, "b", b)
    assert (len(a), len(b)) == (10, 0)
    await _hold(database, "a", a)
    await _hold(database, "b", b)
    assert (len(a), len(b)) == (5, 5)
    assert not a & b


async def test_the_survivor_takes_over_all(database: Database) -> None:
    await _register(database, 4)
    a, b = set[str](), set[str]()
    for hub in ("a", "b"):
        await _live(database, hub)
    await _hold(database, "a", a)
    await _hold(database, "b", b)
    await _expire(database, "a")
    await _hold(database, "b", b)
    assert len(b) == 4


async def test_a_lease_that_still_runs_is_not_taken(database: Database) -> None:
    await _register(database, 4)
    a, b = set[str](), set[str]()
    await _hold(database, "a", a)
    await _live(database, "b")
    await _hold(database, "b", b)
    assert b == set()


async def test_a_paused_project_is_let_go_and_comes_back(database: Database) -> None:
    await _register(database, 2)
    held: set[str] = set()
    await _hold(database, "a", held)
    assert await projects.set_paused(database, "p0", paused=True)
    await _hold(database, "a", held)
    assert held == {"p1"}
    assert await projects.set_paused(database, "p0", paused=False)
    await _hold(database, "a", held)
    assert held == {"p0", "p1"}


async def test_the_next_holder_learns_when_a_project_is_due(database: Database) -> None:
    await _register(database, 1)
    held: set[str] = set()
    await _hold(database, "a", held)
    due_at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    due = HeldProject(name="p0", next_health_at=due_at, next_metrics_at=due_at)
    await projects.hold(database, "a", [due], LEASE)
    await projects.release(database, "a", ["p0"])
    holdings = await projects.hold(database, "b", [], LEASE)
    assert holdings.claimed[0].next_health_at == due_at


async def test_a_change_of_the_specification_shows_at_renewal(database: Database) -> None:
    await _register(database, 1)
    held: set[str] = set()
    first = (await _hold(database, "a", held)).claimed[0].changed_at
    await projects.sync_file(
        database, "default", [ProjectSpec(name="p0", url="http://127.0.0.1:99")]
    )
    assert (await _hold(database, "a", held)).kept["p0"] > first
    (changed,) = await projects.load_claimed(database, "a", ["p0"])
    assert changed.spec.url == "http://127.0.0.1:99"
