-- start_escalation --
-- Begin a chain, or one that was withdrawn again; one that runs goes on.
INSERT INTO escalations (incident_id, chain, severity, subject, body, started_at, next_at)
VALUES (%(incident_id)s, %(chain)s, %(severity)s, %(subject)s, %(body)s, %(at)s, %(at)s)
ON CONFLICT (incident_id) DO UPDATE
    SET chain = excluded.chain, severity = excluded.severity, subject = excluded.subject,
        body = excluded.body, started_at = excluded.started_at, next_at = excluded.next_at,
        reached = '{}', advanced_at = NULL, hurried = false,
        stopped_at = NULL, stop_reason = NULL, stopped_by = NULL
    WHERE escalations.stop_reason = 'withdrawn'
RETURNING incident_id;

-- worsen_escalation --
-- Let a chain that runs take a higher severity, with which more of its steps may be due.
UPDATE escalations
SET severity = %(severity)s::text, next_at = %(at)s::timestamptz
WHERE incident_id = %(incident_id)s AND stopped_at IS NULL
  AND array_position(ARRAY['info', 'warning', 'critical'], severity)
      < array_position(ARRAY['info', 'warning', 'critical'], %(severity)s::text);

-- refresh_escalation --
-- Let a chain that runs say what is so now.
UPDATE escalations SET subject = %(subject)s::text, body = %(body)s::text
WHERE incident_id = %(incident_id)s AND stopped_at IS NULL
  AND (subject, body) IS DISTINCT FROM (%(subject)s::text, %(body)s::text);

-- stop_escalation --
-- End a chain that runs.
UPDATE escalations
SET stopped_at = %(at)s::timestamptz, stop_reason = %(reason)s::text, stopped_by = %(by)s::text,
    next_at = NULL
WHERE incident_id = %(incident_id)s AND stopped_at IS NULL
RETURNING incident_id;

-- stop_resolved --
-- End the chains of incidents that are over.
UPDATE escalations
SET stopped_at = %(now)s::timestamptz, stop_reason = 'resolved', next_at = NULL
FROM incidents
WHERE incidents.id = escalations.incident_id AND incidents.state = 'resolved'
  AND escalations.stopped_at IS NULL
RETURNING escalations.incident_id;

-- acknowledge_incident --
-- Note who takes care of an open incident, once.
UPDATE incidents
SET acknowledged_at = %(at)s::timestamptz, acknowledged_by = %(by)s::text,
    updated_at = %(at)s::timestamptz
WHERE id = %(incident_id)s AND state <> 'resolved' AND acknowledged_at IS NULL
RETURNING project;

-- incident_exists --
-- Whether there is an incident of this number.
SELECT EXISTS (SELECT FROM incidents WHERE id = %(incident_id)s) AS found;

-- due_escalations --
-- Hold the chains of open incidents that have something due and no silence, for the caller's transaction.
SELECT escalations.incident_id, project, chain, escalations.severity, subject, body, started_at,
       reached, advanced_at, next_at, hurried, stopped_at, stop_reason, stopped_by
FROM escalations JOIN incidents ON incidents.id = escalations.incident_id
WHERE next_at <= %(now)s AND stopped_at IS NULL AND state <> 'resolved'
  AND NOT EXISTS (
      SELECT FROM silences
      WHERE starts_at <= now() AND ends_at > now()
        AND (silences.project IS NULL OR silences.project = incidents.project)
        AND (silences.kind IS NULL OR silences.kind = incidents.kind)
        AND (silences.tag IS NULL OR EXISTS (
            SELECT FROM projects
            WHERE projects.name = incidents.project AND spec -> 'tags' ? silences.tag)))
ORDER BY next_at LIMIT %(limit)s
FOR UPDATE OF escalations SKIP LOCKED;

-- move_escalations --
-- Note what was told and when there is more to tell.
UPDATE escalations
SET reached = given.reached, advanced_at = %(now)s::timestamptz, next_at = given.next_at,
    chain = given.chain, hurried = false
FROM jsonb_to_recordset(%(moved)s)
     AS given (incident_id bigint, chain jsonb, reached integer[], next_at timestamptz)
WHERE escalations.incident_id = given.incident_id;

-- hurry_escalations --
-- Have the next step of chains told now: an earlier one could not be.
UPDATE escalations
SET hurried = true, next_at = least(next_at, %(now)s::timestamptz)
WHERE incident_id = ANY (%(incident_ids)s::bigint[]) AND stopped_at IS NULL;

-- next_escalation --
-- When the next step of any chain that no silence holds back is due.
SELECT min(next_at) AS next_at
FROM escalations JOIN incidents ON incidents.id = escalations.incident_id
WHERE stopped_at IS NULL AND next_at IS NOT NULL AND state <> 'resolved'
  AND NOT EXISTS (
      SELECT FROM silences
      WHERE starts_at <= now() AND ends_at > now()
        AND (silences.project IS NULL OR silences.project = incidents.project)
        AND (silences.kind IS NULL OR silences.kind = incidents.kind)
        AND (silences.tag IS NULL OR EXISTS (
            SELECT FROM projects
            WHERE projects.name = incidents.project AND spec -> 'tags' ? silences.tag)));

-- find_escalation --
-- The chain of one incident.
SELECT incident_id, project, chain, escalations.severity, subject, body, started_at, reached,
       advanced_at, next_at, hurried, stopped_at, stop_reason, stopped_by
FROM escalations JOIN incidents ON incidents.id = escalations.incident_id
WHERE incident_id = %(incident_id)s;
