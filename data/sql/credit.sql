-- cases --
-- Incidents of projects that opened in a stretch of time and were not suppressed, oldest first.
SELECT incident.id, incident.kind, incident.opened_at,
       CASE WHEN incident.resolution NOT IN ('no longer watched', 'went down')
            THEN incident.resolved_at END AS recovered_at,
       CASE WHEN incident.resolution = 'no longer watched' THEN incident.resolved_at
            ELSE %(now)s::timestamptz END AS seen_until
FROM incidents AS incident
WHERE incident.opened_at >= %(since)s::timestamptz AND incident.opened_at < %(until)s::timestamptz
  AND incident.project IS NOT NULL AND incident.cause_incident_id IS NULL
  AND (%(kind)s::text IS NULL OR incident.kind = %(kind)s)
  AND NOT EXISTS (SELECT FROM rule_decisions
                  WHERE incident_id = incident.id AND step = 'suppress')
ORDER BY incident.opened_at, incident.id;

-- carried --
-- What was carried out, and not only rehearsed, in incidents of a stretch of time, in order.
SELECT attempt.incident_id, attempt.action, attempt.executing_at AS at,
       attempt.purpose = 'by_hand' AS by_hand
FROM action_attempts AS attempt
JOIN incidents AS incident ON incident.id = attempt.incident_id
WHERE incident.opened_at >= %(since)s::timestamptz AND incident.opened_at < %(until)s::timestamptz
  AND attempt.executing_at IS NOT NULL AND NOT attempt.dry_run
ORDER BY attempt.executing_at, attempt.id;
