-- past_incidents --
-- Incidents of projects that opened in a stretch of time, oldest first, with the moment at which another one explained them.
SELECT incident.id, incident.project, incident.kind, incident.severity, incident.title,
       incident.opened_at, incident.resolved_at,
       incident.resolved_at IS NOT NULL
           AND incident.resolution NOT IN ('no longer watched', 'went down') AS recovered,
       CASE WHEN incident.cause_incident_id IS NOT NULL
            THEN coalesce(linked.at, incident.opened_at) END AS explained_at,
       cause.resolved_at AS explained_until
FROM incidents AS incident
LEFT JOIN incidents AS cause ON cause.id = incident.cause_incident_id
LEFT JOIN (
    SELECT incident_id, min(occurred_at) AS at FROM agent_events
    WHERE kind = 'IncidentSuppressed' AND occurred_at >= %(since)s::timestamptz
    GROUP BY incident_id) AS linked ON linked.incident_id = incident.id
WHERE incident.opened_at >= %(since)s::timestamptz AND incident.opened_at < %(until)s::timestamptz
  AND incident.project IS NOT NULL
ORDER BY incident.opened_at, incident.id;

-- past_anomalies --
-- The anomalies of those incidents, with the value each began with where the event log still has it.
SELECT anomaly.incident_id, anomaly.metric, anomaly.detector, anomaly.direction, anomaly.severity,
       coalesce(began.value, anomaly.value) AS value, anomaly.extreme, anomaly.threshold,
       anomaly.started_at, anomaly.ended_at
FROM anomalies AS anomaly
JOIN incidents AS incident ON incident.id = anomaly.incident_id
LEFT JOIN (
    SELECT DISTINCT ON (incident_id, details ->> 'metric', details ->> 'detector')
           incident_id, details ->> 'metric' AS metric, details ->> 'detector' AS detector,
           (details ->> 'value')::double precision AS value
    FROM agent_events
    WHERE kind = 'AnomalyDetected' AND occurred_at >= %(since)s::timestamptz
    ORDER BY incident_id, details ->> 'metric', details ->> 'detector', occurred_at) AS began
  ON began.incident_id = anomaly.incident_id AND began.metric = anomaly.metric
 AND began.detector = anomaly.detector
WHERE incident.opened_at >= %(since)s::timestamptz AND incident.opened_at < %(until)s::timestamptz
ORDER BY anomaly.started_at, anomaly.id;

-- past_scrapes --
-- For each of those incidents the newest scrape of its project when it opened, at most an hour old.
SELECT incident.id, scrape.cpu_percent, scrape.memory_percent, scrape.error_rate_percent,
       scrape.response_ms, scrape.other
FROM incidents AS incident
CROSS JOIN LATERAL (
    SELECT * FROM project_metrics
    WHERE project = incident.project AND recorded_at <= incident.opened_at
      AND recorded_at > incident.opened_at - interval '1 hour'
    ORDER BY recorded_at DESC LIMIT 1) AS scrape
WHERE incident.opened_at >= %(since)s::timestamptz AND incident.opened_at < %(until)s::timestamptz;

-- past_projects --
-- Every project there ever was, with its newest specification and the version it last told.
SELECT name, spec, reported ->> 'version' AS version, removed_at IS NULL AND NOT paused AS watched
FROM projects ORDER BY name;

-- past_deploys --
-- The deploys of a stretch of time, oldest first.
SELECT project, occurred_at AS at, details ->> 'from_version' AS from_version,
       details ->> 'to_version' AS version
FROM agent_events
WHERE kind = 'ProjectDeployed' AND project IS NOT NULL
  AND occurred_at >= %(since)s::timestamptz AND occurred_at < %(until)s::timestamptz
ORDER BY occurred_at, id;

-- past_attempts --
-- What was asked for in a stretch of time, and what came of it, in order.
SELECT incident_id, project, action, purpose, number, rule, rules_version, dry_run, state,
       requested_at, requested_by, decided_at, executing_at, finished_at, succeeded, permanent
FROM action_attempts
WHERE requested_at >= %(since)s::timestamptz AND requested_at < %(until)s::timestamptz
ORDER BY requested_at, id;

-- past_decisions --
-- What the rules said in a stretch of time, in order.
SELECT decided_at, incident_id, step, reason, rule, rules_version, action
FROM rule_decisions
WHERE decided_at >= %(since)s::timestamptz AND decided_at < %(until)s::timestamptz
ORDER BY id;

-- past_silences --
-- The silences that held at some time of a stretch.
SELECT project, tag, kind, starts_at, ends_at, reason
FROM silences
WHERE ends_at > %(since)s::timestamptz AND starts_at < %(until)s::timestamptz
ORDER BY starts_at, id;

-- past_brake --
-- When the brake was pulled and released, until the end of a stretch of time, in order.
SELECT occurred_at AS at, kind = 'ActingStopped' AS stopped
FROM agent_events
WHERE kind IN ('ActingStopped', 'ActingResumed') AND occurred_at < %(until)s::timestamptz
ORDER BY occurred_at, id;

-- past_fleet_outages --
-- When a hub held its own network to be gone.
SELECT opened_at AS start, resolved_at AS "end"
FROM incidents
WHERE kind = 'fleet_unreachable' AND opened_at < %(until)s::timestamptz
  AND (resolved_at IS NULL OR resolved_at > %(since)s::timestamptz)
ORDER BY opened_at;
