-- request_attempt --
-- Ask for an attempt, unless another one that is not finished is in the way.
INSERT INTO action_attempts
    (id, incident_id, project, action, parameters, risk, purpose, number, undoes, rule,
     rules_version, plan, dry_run, state, requested_by, reason, expires_at)
VALUES (%(id)s, %(incident_id)s, %(project)s, %(action)s, %(parameters)s, %(risk)s, %(purpose)s,
        %(number)s, %(undoes)s, %(rule)s, %(rules_version)s, %(plan)s, %(dry_run)s, %(state)s,
        %(requested_by)s, %(reason)s, clock_timestamp() + %(expires_after)s::interval)
ON CONFLICT DO NOTHING
RETURNING *;

-- decide_attempt --
-- Approve or reject what still waits for it; of two people who decide at once, one finds nothing.
UPDATE action_attempts
SET state = %(to_state)s, decided_at = clock_timestamp(), decided_by = %(by)s,
    decision_reason = %(reason)s, expires_at = NULL,
    finished_at = CASE WHEN %(to_state)s = 'rejected' THEN clock_timestamp() END
WHERE id = %(id)s AND state = 'pending'
  AND (expires_at IS NULL OR expires_at > clock_timestamp())
RETURNING *;

-- queue_to_begin --
-- Let one attempt begin at a time, so that limits over many hold for all; ends with the transaction.
SELECT pg_advisory_xact_lock(7307706);

-- look_before_beginning --
-- What may keep an attempt from beginning.
SELECT attempt.state,
       EXISTS (SELECT FROM incidents
               WHERE incidents.id = attempt.incident_id AND incidents.state = 'resolved'
                 AND attempt.purpose <> 'release') AS is_over,
       (SELECT stopped FROM brake) AS stopped,
       EXISTS (SELECT FROM action_attempts AS other
               WHERE other.project = attempt.project AND other.state = 'executing') AS busy,
       (SELECT count(*) FROM action_attempts AS other
        WHERE other.project = attempt.project AND NOT other.dry_run
          AND other.executing_at > clock_timestamp() - %(rate_within)s::interval) AS acted,
       (SELECT count(DISTINCT other.project) FROM action_attempts AS other
        WHERE other.project <> attempt.project AND NOT other.dry_run AND other.purpose = 'heal'
          AND other.executing_at > clock_timestamp() - %(blast_within)s::interval) AS others
FROM action_attempts AS attempt WHERE attempt.id = %(id)s;

-- begin_attempt --
-- Mark an approved attempt as being executed by a hub, before it is.
UPDATE action_attempts
SET state = 'executing', hub = %(hub)s, executing_at = clock_timestamp(),
    executing_until = clock_timestamp() + %(timeout)s::interval
WHERE id = %(id)s AND state = 'approved'
RETURNING *;

-- move_attempt --
-- Move an attempt on, where it still is in the state the caller believes.
UPDATE action_attempts
SET state = %(to_state)s,
    outcome = coalesce(%(outcome)s::text, outcome),
    permanent = %(permanent)s,
    effect_at = CASE WHEN %(to_state)s IN ('verifying', 'completed') AND state = 'executing'
                     THEN clock_timestamp() ELSE effect_at END,
    verify_until = coalesce(clock_timestamp() + %(verify_within)s::interval, verify_until),
    finished_at = CASE WHEN %(to_state)s IN ('completed', 'failed', 'expired')
                       THEN clock_timestamp() ELSE finished_at END,
    succeeded = CASE %(to_state)s WHEN 'completed' THEN true WHEN 'failed' THEN false
                ELSE succeeded END
WHERE id = %(id)s AND state = %(from_state)s
RETURNING *;

-- find_attempt --
-- One attempt.
SELECT * FROM action_attempts WHERE id = %(id)s;

-- find_attempts_by_prefix --
-- The attempts whose id begins with a text.
SELECT * FROM action_attempts WHERE id::text LIKE %(prefix)s || '%%' LIMIT 2;

-- attempts_of_incident --
-- Every attempt in one incident, in order.
SELECT * FROM action_attempts WHERE incident_id = %(incident_id)s ORDER BY requested_at, id;

-- list_attempts --
-- Attempts, the newest first.
SELECT * FROM action_attempts
WHERE (%(project)s::text IS NULL OR project = %(project)s)
  AND (%(state)s::text IS NULL OR state = %(state)s)
ORDER BY requested_at DESC LIMIT %(limit)s;

-- approved_by_hand --
-- What people asked for and no hub has begun.
SELECT * FROM action_attempts
WHERE state = 'approved' AND purpose = 'by_hand' ORDER BY requested_at LIMIT %(limit)s;

-- overdue_by_hand --
-- What people asked for and whose hub did not say what became of it, or that runs out.
SELECT * FROM action_attempts
WHERE purpose = 'by_hand'
  AND (state = 'executing' AND executing_until < clock_timestamp() - interval '5 seconds'
       OR state IN ('verifying', 'unknown') AND verify_until < clock_timestamp()
       OR state = 'pending' AND expires_at < clock_timestamp());
