-- open_incidents --
-- Add to incidents that are open already for the same project and kind, and open the others.
WITH given AS (
    SELECT * FROM jsonb_to_recordset(%(problems)s) AS problem
        (project text, hub text, kind text, severity text, title text, at timestamptz)
), added_to AS (
    UPDATE incidents
    SET updated_at = given.at,
        title = CASE WHEN given.severity = 'critical' AND incidents.severity <> 'critical'
                     THEN given.title ELSE incidents.title END,
        severity = CASE WHEN incidents.severity = 'critical' THEN 'critical'
                        ELSE given.severity END
    FROM given
    WHERE incidents.project IS NOT DISTINCT FROM given.project AND incidents.kind = given.kind
      AND incidents.hub IS NOT DISTINCT FROM given.hub AND incidents.state <> 'resolved'
    RETURNING id, incidents.project, incidents.kind, incidents.severity, incidents.title,
              opened_at, false AS opened
), opened AS (
    INSERT INTO incidents (project, hub, kind, severity, title, opened_at, updated_at, next_step_at)
    SELECT project, hub, kind, severity, title, at, at, now() FROM given
    WHERE NOT EXISTS (
        SELECT FROM added_to
        WHERE added_to.project IS NOT DISTINCT FROM given.project AND added_to.kind = given.kind)
    ON CONFLICT (coalesce(project, ''), coalesce(hub, ''), kind) WHERE state <> 'resolved' DO UPDATE
        SET updated_at = excluded.updated_at  -- another hub was first
    RETURNING id, project, kind, severity, title, opened_at, (xmax = 0) AS opened
)
SELECT * FROM added_to UNION ALL SELECT * FROM opened;

-- resolve_incidents --
-- Close incidents that are still open; one that is resolved already is left alone.
WITH solved AS (
    SELECT incidents.id, given.at, given.resolution
    FROM incidents JOIN jsonb_to_recordset(%(solved)s) AS given
         (project text, hub text, kind text, at timestamptz, resolution text)
      ON incidents.project IS NOT DISTINCT FROM given.project AND incidents.kind = given.kind
     AND incidents.hub IS NOT DISTINCT FROM given.hub
    WHERE incidents.state <> 'resolved'
    ORDER BY incidents.id FOR NO KEY UPDATE OF incidents
)
UPDATE incidents
SET state = 'resolved', resolved_at = solved.at, updated_at = solved.at,
    resolution = solved.resolution, next_step_at = now()
FROM solved
WHERE incidents.id = solved.id AND incidents.state <> 'resolved'
RETURNING incidents.id, project, kind, severity, title, opened_at, resolved_at;

-- resolve_unwatched --
-- Close the incidents of projects that were removed, paused or switched off.
UPDATE incidents
SET state = 'resolved', resolved_at = now(), updated_at = now(), resolution = 'no longer watched',
    next_step_at = now()
WHERE id IN (
    SELECT incidents.id FROM incidents JOIN projects ON projects.name = incidents.project
    WHERE incidents.state <> 'resolved'
      AND (removed_at IS NOT NULL OR paused OR NOT (spec ->> 'enabled')::boolean)
    ORDER BY incidents.id FOR NO KEY UPDATE OF incidents)
RETURNING id, project, kind, severity, title, opened_at, resolved_at;

-- suppress_dependents --
-- Link open incidents to the outage that explains them: that of a project they depend on.
UPDATE incidents
SET cause_incident_id = cause.id, next_step_at = now(),
    updated_at = greatest(incidents.updated_at, cause.opened_at)
FROM jsonb_to_recordset(%(dependencies)s) AS upstream (project text, dependency text)
JOIN incidents AS cause
  ON cause.project = upstream.dependency AND cause.kind = 'down' AND cause.state <> 'resolved'
WHERE incidents.project = upstream.project AND incidents.state <> 'resolved'
  AND incidents.cause_incident_id IS NULL
  AND cause.cause_incident_id IS DISTINCT FROM incidents.id  -- two would explain each other
  AND incidents.opened_at >= cause.opened_at - interval '1 minute'
RETURNING incidents.id, incidents.project, incidents.kind, incidents.title,
          cause.id AS cause_id, cause.project AS cause_project;

-- suppress_by_fleet --
-- Link outages to the open incident that says the hub's own network is gone.
UPDATE incidents
SET cause_incident_id = fleet.id, next_step_at = now(),
    updated_at = greatest(incidents.updated_at, %(at)s)
FROM incidents AS fleet
WHERE fleet.kind = 'fleet_unreachable' AND fleet.state <> 'resolved' AND fleet.hub = %(hub)s
  AND incidents.kind = 'down' AND incidents.state <> 'resolved'
  AND incidents.cause_incident_id IS NULL AND incidents.project = ANY (%(projects)s)
  AND incidents.opened_at >= fleet.opened_at - interval '1 minute'
RETURNING incidents.id, incidents.project, incidents.kind, incidents.title,
          fleet.id AS cause_id, NULL AS cause_project;

-- open_fleet_incident --
-- The open incident, if any, that says a hub's own network is gone.
SELECT id FROM incidents
WHERE kind = 'fleet_unreachable' AND state <> 'resolved' AND hub = %(hub)s;

-- list_incidents --
-- Incidents, the newest first.
SELECT id, project, kind, severity, state, title, opened_at, updated_at, resolved_at, resolution,
       cause_incident_id, explanation, acknowledged_at, acknowledged_by,
       state <> 'resolved' AND EXISTS (
           SELECT FROM incidents AS cause
           WHERE cause.id = incidents.cause_incident_id AND cause.state <> 'resolved'
       ) AS is_explained
FROM incidents
WHERE (%(project)s::text IS NULL OR project = %(project)s)
  AND (NOT %(open_only)s OR state <> 'resolved')
ORDER BY id DESC LIMIT %(limit)s;

-- incident_kinds --
-- The kinds that incidents had so far.
SELECT DISTINCT kind FROM incidents ORDER BY kind;

-- find_incident --
-- One incident.
SELECT id, project, kind, severity, state, title, opened_at, updated_at, resolved_at, resolution,
       cause_incident_id, explanation, acknowledged_at, acknowledged_by,
       state <> 'resolved' AND EXISTS (
           SELECT FROM incidents AS cause
           WHERE cause.id = incidents.cause_incident_id AND cause.state <> 'resolved'
       ) AS is_explained
FROM incidents WHERE id = %(incident_id)s;

-- claim_due --
-- Claim incidents whose next step is due, and those of hubs that did not come back for theirs.
UPDATE incidents SET leased_by = %(hub)s, leased_until = now() + %(lease)s::interval,
       next_step_at = NULL
WHERE id IN (
    SELECT id FROM incidents
    WHERE (leased_until < now() OR (next_step_at <= now() AND leased_until IS NULL))
      AND id <> ALL (%(without)s)
    ORDER BY next_step_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
RETURNING id;

-- renew_claims --
-- Keep the incidents that this hub is working on.
UPDATE incidents SET leased_until = now() + %(lease)s::interval
WHERE id IN (SELECT id FROM incidents WHERE id = ANY (%(ids)s) AND leased_by = %(hub)s
             ORDER BY id FOR NO KEY UPDATE)
RETURNING id;

-- release_claim --
-- Give an incident back until its next step; an earlier one that somebody asked for is kept.
UPDATE incidents
SET leased_by = NULL, leased_until = NULL,
    next_step_at = least(next_step_at, now() + %(after)s::interval)
WHERE id = %(id)s AND leased_by = %(hub)s;

-- next_due --
-- In how many seconds the next step of any incident is due, NULL when none is.
SELECT extract(epoch FROM min(due) - now())::float8 AS seconds FROM (
    SELECT min(next_step_at) AS due FROM incidents
    WHERE next_step_at IS NOT NULL AND leased_until IS NULL
    UNION ALL
    SELECT min(leased_until) FROM incidents WHERE leased_until IS NOT NULL) AS upcoming;

-- look_again --
-- Have the open incidents of some projects looked at: something about them is new.
UPDATE incidents SET next_step_at = now()
WHERE id IN (SELECT id FROM incidents WHERE project = ANY (%(projects)s) AND state <> 'resolved'
             ORDER BY id FOR NO KEY UPDATE);

-- look_at_one_again --
-- Have an incident looked at: somebody decided about it.
UPDATE incidents SET next_step_at = now() WHERE id = %(incident_id)s;

-- look_at_all_again --
-- Have every open incident looked at, held in one order, so that nobody waits in a circle.
UPDATE incidents SET next_step_at = now()
WHERE id IN (SELECT id FROM incidents WHERE state <> 'resolved' ORDER BY id FOR NO KEY UPDATE);

-- suppress_by_incident --
-- Link open incidents to another one that is acted on for all of them.
UPDATE incidents SET cause_incident_id = %(cause_id)s, updated_at = now(), next_step_at = now()
WHERE id = ANY (%(ids)s) AND id <> %(cause_id)s AND state <> 'resolved'
  AND cause_incident_id IS NULL
  AND NOT EXISTS (SELECT FROM incidents AS cause
                  WHERE cause.id = %(cause_id)s AND cause.cause_incident_id IS NOT NULL)
RETURNING incidents.id, incidents.project, incidents.kind, incidents.title,
          %(cause_id)s::bigint AS cause_id,
          (SELECT project FROM incidents WHERE id = %(cause_id)s) AS cause_project;
