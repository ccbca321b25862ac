-- upsert_from_file --
-- Add or change the projects that a registry file names; a name the database owns is left alone.
INSERT INTO projects (name, source, spec)
SELECT given.name, %(source)s, given.spec
FROM jsonb_to_recordset(%(specs)s) AS given (name text, spec jsonb)
ON CONFLICT (name) DO UPDATE
    SET spec = excluded.spec, source = excluded.source, removed_at = NULL,
        changed_at = clock_timestamp()
    WHERE (projects.removed_at IS NOT NULL OR projects.source = excluded.source)
      AND (projects.removed_at IS NOT NULL OR projects.spec <> excluded.spec)
RETURNING name, (xmax = 0) AS added;

-- remove_missing --
-- Remove the projects that a registry file no longer names; their history stays.
UPDATE projects
SET removed_at = now(), changed_at = clock_timestamp(), leased_by = NULL, leased_until = NULL,
    status = 'unknown', status_since = now(), status_detail = NULL
WHERE source = %(source)s AND removed_at IS NULL AND name <> ALL (%(names)s)
RETURNING name;

-- owned_elsewhere --
-- Which of these names another source owns, and which source.
SELECT name, source FROM projects
WHERE name = ANY (%(names)s) AND source <> %(source)s AND removed_at IS NULL
ORDER BY name;

-- add_project --
-- Register a project in the database, unless the name is taken.
INSERT INTO projects (name, source, spec)
VALUES (%(name)s, 'database', %(spec)s)
ON CONFLICT (name) DO UPDATE
    SET spec = excluded.spec, source = excluded.source, removed_at = NULL, paused = false,
        changed_at = clock_timestamp()
    WHERE projects.removed_at IS NOT NULL
RETURNING name;

-- remove_project --
-- Remove a project that the database owns; its history stays.
UPDATE projects
SET removed_at = now(), changed_at = clock_timestamp(), leased_by = NULL, leased_until = NULL,
    status = 'unknown', status_since = now(), status_detail = NULL
WHERE name = %(name)s AND source = 'database' AND removed_at IS NULL
RETURNING name;

-- set_paused --
-- Stop or resume polling a project, whoever owns it.
UPDATE projects
SET paused = %(paused)s, changed_at = clock_timestamp(), leased_by = NULL, leased_until = NULL,
    status = 'unknown', status_since = now(), status_detail = NULL
WHERE name = %(name)s AND removed_at IS NULL AND paused <> %(paused)s
RETURNING name;

-- find_project --
-- One registered project.
SELECT name, source, spec, paused, status, status_since, status_detail, leased_by, reported,
       next_health_at, next_metrics_at
FROM projects WHERE name = %(name)s AND removed_at IS NULL;

-- list_projects --
-- Every registered project with its newest probe and scrape.
SELECT p.name, p.source, p.spec, p.paused, p.status, p.status_since, p.status_detail,
       p.leased_by, p.reported, p.next_health_at, p.next_metrics_at,
       h.recorded_at AS probed_at, h.response_ms,
       m.cpu_percent, m.memory_percent, m.error_rate_percent
FROM projects p
LEFT JOIN LATERAL (
    SELECT recorded_at, response_ms FROM project_status_history
    WHERE project = p.name AND recorded_at > now() - interval '1 day'
    ORDER BY recorded_at DESC LIMIT 1) h ON true
LEFT JOIN LATERAL (
    SELECT cpu_percent, memory_percent, error_rate_percent FROM project_metrics
    WHERE project = p.name AND recorded_at > now() - interval '1 day'
    ORDER BY recorded_at DESC LIMIT 1) m ON true
WHERE p.removed_at IS NULL
ORDER BY p.name;

-- renew_leases --
-- Keep the projects that this hub holds, and note when each is due; what is not returned is lost.
UPDATE projects
SET leased_until = now() + %(lease)s::interval,
    next_health_at = held.next_health_at, next_metrics_at = held.next_metrics_at
FROM unnest(%(names)s::text[], %(next_health_at)s::timestamptz[], %(next_metrics_at)s::timestamptz[])
     AS held (name, next_health_at, next_metrics_at)
WHERE projects.name = held.name AND leased_by = %(hub)s
  AND removed_at IS NULL AND NOT paused AND (spec ->> 'enabled')::boolean
RETURNING projects.name, changed_at;

-- fair_share --
-- How many projects each live hub should hold: all of them divided by the hubs, rounded up.
SELECT ceil(
    (SELECT count(*) FROM projects
     WHERE removed_at IS NULL AND NOT paused AND (spec ->> 'enabled')::boolean)::numeric
    / greatest(1, (SELECT count(*) FROM agents
                   WHERE agent = 'poller' AND state <> 'stopped'
                     AND heartbeat_at > now() - %(lease)s::interval)))::integer AS share;

-- claim_projects --
-- Take up to so many projects that nobody holds, or whose holder's lease ran out, the longest due first.
UPDATE projects SET leased_by = %(hub)s, leased_until = now() + %(lease)s::interval
WHERE name IN (
    SELECT name FROM projects
    WHERE removed_at IS NULL AND NOT paused AND (spec ->> 'enabled')::boolean
      AND (leased_by IS NULL OR leased_until < now() OR leased_by = %(hub)s)
      AND name <> ALL (%(held)s)
    ORDER BY next_health_at NULLS FIRST, name
    LIMIT %(up_to)s
    FOR UPDATE SKIP LOCKED)
RETURNING name, changed_at, spec, status, status_since, status_detail, reported,
          next_health_at, next_metrics_at;

-- load_claimed --
-- The specifications of projects this hub holds, after a change.
SELECT name, changed_at, spec, status, status_since, status_detail, reported,
       next_health_at, next_metrics_at
FROM projects WHERE name = ANY (%(names)s) AND leased_by = %(hub)s;

-- release_projects --
-- Give projects back, and tell the other hubs.
WITH released AS (
    UPDATE projects SET leased_by = NULL, leased_until = NULL
    WHERE leased_by = %(hub)s AND name = ANY (%(names)s)
    RETURNING name)
SELECT pg_notify('opslore_projects', 'released'), count(*) AS released FROM released;

-- move_statuses --
-- Change statuses where they still are what the caller believes; losing that race moves nothing.
UPDATE projects
SET status = given.to_status, status_since = given.occurred_at, status_detail = given.detail
FROM jsonb_to_recordset(%(changes)s) AS given
     (project text, from_status text, to_status text, occurred_at timestamptz, detail text)
WHERE projects.name = given.project AND projects.status = given.from_status
RETURNING projects.name;

-- note_reports --
-- Keep what projects last said at their status path.
UPDATE projects SET reported = given.reported
FROM jsonb_to_recordset(%(reports)s) AS given (project text, reported jsonb)
WHERE projects.name = given.project;

-- dependencies --
-- For each registered project, every project it depends on, directly or through others.
WITH RECURSIVE direct AS (
    SELECT name AS project, jsonb_array_elements_text(spec -> 'depends_on') AS dependency
    FROM projects WHERE removed_at IS NULL
), upstream AS (
    SELECT project, dependency FROM direct
    UNION
    SELECT upstream.project, direct.dependency
    FROM upstream JOIN direct ON direct.project = upstream.dependency
)
SELECT project, array_agg(dependency ORDER BY dependency) AS dependencies
FROM upstream GROUP BY project;

-- list_specs --
-- What is said of every project that is watched.
SELECT spec FROM projects WHERE removed_at IS NULL AND NOT paused ORDER BY name;
