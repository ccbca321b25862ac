-- incident_now --
-- An incident, its project as it stands, and whether another one explains it; opened, by a hub that is ahead, no later than it was first looked at.
SELECT incident.id, incident.project, incident.hub, incident.kind, incident.severity,
       incident.state, incident.title, incident.updated_at,
       least(incident.opened_at, now(), (SELECT min(decided_at) FROM rule_decisions
                                         WHERE incident_id = incident.id)) AS opened_at,
       incident.resolved_at, incident.resolution, incident.acknowledged_at,
       cause.id AS cause_id, cause.title AS cause_title,
       coalesce(cause.state <> 'resolved', false) AS is_explained,
       project.status, project.reported ->> 'version' AS version
FROM incidents AS incident
LEFT JOIN incidents AS cause ON cause.id = incident.cause_incident_id
LEFT JOIN projects AS project ON project.name = incident.project
WHERE incident.id = %(incident_id)s;

-- gravest_anomaly --
-- The anomaly that tells most of an incident: one that holds, then the gravest, then the newest.
SELECT metric, detector, direction, value, extreme, threshold
FROM anomalies WHERE incident_id = %(incident_id)s
ORDER BY (ended_at IS NULL) DESC, (severity = 'critical') DESC, (detector = 'threshold') DESC,
         started_at DESC, id
LIMIT 1;

-- newest_metrics --
-- The newest scrape of a project within the last hour.
SELECT cpu_percent, memory_percent, error_rate_percent, response_ms, other
FROM project_metrics
WHERE project = %(project)s AND recorded_at > now() - interval '1 hour'
ORDER BY recorded_at DESC LIMIT 1;

-- nearby_incidents --
-- The incidents of projects that are open or were within a time, without those of a hub's network.
SELECT incident.id, incident.project, incident.kind, incident.severity, incident.title,
       least(incident.opened_at, now()) AS opened_at, incident.resolved_at, anomaly.value
FROM incidents AS incident
LEFT JOIN LATERAL (
    SELECT value FROM anomalies WHERE anomalies.incident_id = incident.id
    ORDER BY (ended_at IS NULL) DESC, started_at DESC LIMIT 1) AS anomaly ON true
WHERE incident.project IS NOT NULL
  AND (incident.state <> 'resolved' OR incident.opened_at > now() - %(horizon)s::interval)
ORDER BY incident.id DESC LIMIT 1000;

-- nearby_deploys --
-- The deploys within a time.
SELECT project, occurred_at AS at, details ->> 'from_version' AS from_version,
       details ->> 'to_version' AS version
FROM agent_events
WHERE kind = 'ProjectDeployed' AND occurred_at > now() - %(horizon)s::interval
ORDER BY id DESC LIMIT 1000;

-- nearby_attempts --
-- The attempts within a time, and when each came to its state.
SELECT project, action, state, rule, requested_by AS by,
       coalesce(finished_at, effect_at, executing_at, decided_at, requested_at) AS at
FROM action_attempts
WHERE requested_at > now() - %(horizon)s::interval AND NOT dry_run
ORDER BY requested_at DESC LIMIT 1000;

-- acts_on --
-- What was done to projects within a time, the oldest first.
SELECT project, action, purpose, state, executing_at, finished_at, succeeded, incident_id
FROM action_attempts
WHERE project = ANY (%(projects)s) AND NOT dry_run
  AND executing_at > now() - %(horizon)s::interval
ORDER BY executing_at;

-- unfinished_on --
-- The attempts on projects that are not finished.
SELECT project, action, incident_id, state FROM action_attempts
WHERE project = ANY (%(projects)s)
  AND state IN ('pending', 'approved', 'executing', 'verifying', 'unknown');

-- acted_projects --
-- The projects that rules acted on within a time.
SELECT DISTINCT project FROM action_attempts
WHERE NOT dry_run AND purpose = 'heal'
  AND executing_at > now() - %(within)s::interval;

-- network_is_suspected --
-- Whether a hub takes its own network for what is broken, and the time now.
SELECT EXISTS (SELECT FROM incidents
               WHERE kind = 'fleet_unreachable' AND state <> 'resolved') AS suspected,
       clock_timestamp() AS now;
