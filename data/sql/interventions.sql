-- resolve_incident --
-- Close one incident by hand, unless it is closed.
UPDATE incidents
SET state = 'resolved', resolved_at = now(), updated_at = now(), resolution = %(resolution)s,
    next_step_at = now()
WHERE id = %(incident_id)s AND state <> 'resolved'
RETURNING id, project, kind, severity, title, opened_at, resolved_at;

-- end_anomalies_of --
-- End what still holds in an incident that somebody closed.
UPDATE anomalies SET ended_at = now() WHERE incident_id = %(incident_id)s AND ended_at IS NULL;

-- entries_of_attempt --
-- What the audit chain says of one attempt, in order.
SELECT seq, recorded_at, from_state, to_state, actor, reason, details
FROM action_history WHERE action_id = %(attempt_id)s ORDER BY seq;
