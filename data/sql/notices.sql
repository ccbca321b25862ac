-- add_notices --
-- Add notices in the order given; a step that is told again is not while it waits to be told.
INSERT INTO notices
    (contact, purpose, severity, subject, body, incident_id, attempt_id, project, due_at)
SELECT contact, purpose, severity, subject, body, incident_id, attempt_id, project,
       coalesce(due_at, clock_timestamp())
FROM ROWS FROM (jsonb_to_recordset(%(notices)s) AS
     (contact text, purpose text, severity text, subject text, body text, incident_id bigint,
      attempt_id uuid, project text, due_at timestamptz)) WITH ORDINALITY AS given
     (contact, purpose, severity, subject, body, incident_id, attempt_id, project, due_at, place)
WHERE purpose <> 'escalation' OR NOT EXISTS (
    SELECT FROM notices AS waiting
    WHERE waiting.incident_id = given.incident_id AND waiting.contact = given.contact
      AND waiting.purpose = 'escalation' AND waiting.severity = given.severity
      AND waiting.sent_at IS NULL AND waiting.given_up_at IS NULL
      AND waiting.left_out_at IS NULL)
ORDER BY place
RETURNING id;

-- add_resolved --
-- Take up the end of incidents: a notice to each contact that was, or is to be, told of them.
WITH over AS (
    UPDATE notices SET settled = true
    FROM incidents
    WHERE incidents.id = notices.incident_id AND incidents.state = 'resolved'
      AND NOT settled AND purpose <> 'resolved' AND purpose <> 'action'
    RETURNING notices.contact, notices.incident_id, notices.project, notices.left_out_at,
              incidents.title, incidents.severity, incidents.resolution
)
INSERT INTO notices (contact, purpose, severity, subject, body, incident_id, project, due_at)
SELECT DISTINCT ON (incident_id, contact)
       contact, 'resolved', severity, title, coalesce(resolution, ''), incident_id, project,
       %(now)s::timestamptz
FROM over WHERE contact IS NOT NULL AND left_out_at IS NULL
ORDER BY incident_id, contact
ON CONFLICT (incident_id, contact) WHERE purpose = 'resolved' DO NOTHING
RETURNING incident_id;

-- waiting_notices --
-- What is not sent yet, critical first, then oldest; `told`: the contact may know of the incident already.
SELECT id, contact, purpose, severity, incident_id, project, subject, due_at, attempts,
       coalesce(leased_until > now(), false) AS leased,
       purpose = 'resolved' AND EXISTS (
           SELECT FROM notices AS earlier
           WHERE earlier.incident_id = notices.incident_id
             AND earlier.contact = notices.contact AND earlier.purpose <> 'resolved'
             AND earlier.attempts > 0) AS told
FROM notices
WHERE sent_at IS NULL AND given_up_at IS NULL AND left_out_at IS NULL
ORDER BY severity = 'critical' DESC, id LIMIT %(limit)s;

-- last_sent --
-- When each of these contacts was told something last.
SELECT contact, (SELECT max(sent_at) FROM notices
                 WHERE notices.contact = asked.contact AND sent_at IS NOT NULL) AS sent_at
FROM unnest(%(contacts)s::text[]) AS asked (contact);

-- claim_notices --
-- Claim notices that nobody is sending, in one order, so that two hubs wait for each other; those of a chain say what it says now.
WITH free AS (
    SELECT id, escalations.subject, escalations.body
    FROM notices LEFT JOIN escalations
         ON escalations.incident_id = notices.incident_id AND purpose = 'escalation'
    WHERE id = ANY (%(ids)s::bigint[])
      AND sent_at IS NULL AND given_up_at IS NULL AND left_out_at IS NULL
      AND (leased_until IS NULL OR leased_until <= now())
    ORDER BY id FOR UPDATE OF notices
)
UPDATE notices
SET leased_by = %(hub)s::text, leased_until = now() + %(lease)s::interval,
    group_id = %(group_id)s::uuid, attempts = attempts + 1,
    subject = coalesce(free.subject, notices.subject), body = coalesce(free.body, notices.body)
FROM free WHERE notices.id = free.id
RETURNING notices.id;

-- claimed_notices --
-- The notices of a message, with how their incidents stand.
SELECT notices.id, contact, notices.purpose, notices.severity, subject, body,
       notices.incident_id, attempt_id, notices.project, incidents.kind, created_at, due_at,
       group_id, notices.leased_by, attempts, delivered, last_error, sent_at,
       given_up_at, left_out_at, opened_at, resolved_at, acknowledged_by,
       action_attempts.state AS attempt_state, action_attempts.expires_at
FROM notices LEFT JOIN incidents ON incidents.id = notices.incident_id
LEFT JOIN action_attempts ON action_attempts.id = attempt_id
WHERE group_id = %(group_id)s ORDER BY notices.id;

-- record_outcomes --
-- Note what became of notices; a claim that was lost meanwhile only tells of what was sent.
UPDATE notices
SET delivered = coalesce(given.delivered, notices.delivered), last_error = given.error,
    due_at = coalesce(given.due_at, notices.due_at), leased_by = NULL, leased_until = NULL,
    sent_at = CASE given.outcome WHEN 'sent' THEN %(now)s::timestamptz END,
    given_up_at = CASE WHEN given.outcome = 'given_up' AND left_out_at IS NULL
                       THEN %(now)s::timestamptz END,
    left_out_at = CASE WHEN given.outcome <> 'sent' THEN left_out_at END
FROM jsonb_to_recordset(%(outcomes)s) AS given
     (id bigint, outcome text, delivered text[], error text, due_at timestamptz)
WHERE notices.id = given.id
  AND (group_id = %(group_id)s::uuid OR given.outcome = 'sent'
       OR leased_until IS NULL OR leased_until <= now())
  AND sent_at IS NULL AND given_up_at IS NULL
RETURNING notices.id;

-- leave_out --
-- Note that notices are not for their contact, or that there is none.
UPDATE notices SET left_out_at = %(now)s::timestamptz, last_error = given.because
FROM jsonb_to_recordset(%(left_out)s) AS given (id bigint, because text)
WHERE notices.id = given.id
  AND sent_at IS NULL AND given_up_at IS NULL AND left_out_at IS NULL
RETURNING notices.id;

-- list_notices --
-- Notices, the newest first.
SELECT notices.id, contact, notices.purpose, notices.severity, subject, body,
       notices.incident_id, attempt_id, notices.project, incidents.kind, created_at, due_at,
       group_id, notices.leased_by, attempts, delivered, last_error, sent_at,
       given_up_at, left_out_at, opened_at, resolved_at, acknowledged_by,
       action_attempts.state AS attempt_state, action_attempts.expires_at
FROM notices LEFT JOIN incidents ON incidents.id = notices.incident_id
LEFT JOIN action_attempts ON action_attempts.id = attempt_id
WHERE (%(incident_id)s::bigint IS NULL OR notices.incident_id = %(incident_id)s)
  AND (%(contact)s::text IS NULL OR contact = %(contact)s)
ORDER BY notices.id DESC LIMIT %(limit)s;

-- take_back_notices --
-- Leave out what waits to be told of an incident's chain and is not being sent.
UPDATE notices SET left_out_at = %(now)s::timestamptz, last_error = %(why)s::text
WHERE incident_id = %(incident_id)s AND purpose = 'escalation'
  AND sent_at IS NULL AND given_up_at IS NULL AND left_out_at IS NULL
  AND (leased_until IS NULL OR leased_until <= now());

-- leave_out_answered --
-- Leave out the questions that were to be asked later and are answered, or not asked any more, before.
UPDATE notices
SET left_out_at = %(now)s::timestamptz, last_error = 'it was decided before'
FROM notices AS asked
LEFT JOIN action_attempts ON action_attempts.id = asked.attempt_id
LEFT JOIN incidents ON incidents.id = asked.incident_id
WHERE notices.id = asked.id AND notices.purpose = 'approval' AND notices.attempts = 0
  AND notices.sent_at IS NULL AND notices.given_up_at IS NULL AND notices.left_out_at IS NULL
  AND notices.due_at
      > least(%(now)s::timestamptz, decided_at, action_attempts.finished_at, resolved_at)
  AND (action_attempts.state <> 'pending' OR incidents.state = 'resolved');

-- hold_questions --
-- Hold the attempts that these notices ask about, so that one hub sees that nobody is left.
SELECT id FROM action_attempts
WHERE state = 'pending' AND id IN (
    SELECT attempt_id FROM notices WHERE id = ANY (%(ids)s::bigint[]) AND purpose = 'approval')
ORDER BY id FOR NO KEY UPDATE;

-- hurry_questions --
-- Ask at once who was to be asked next about these attempts.
WITH next AS (
    SELECT attempt_id, min(due_at) AS due_at FROM notices
    WHERE attempt_id = ANY (%(attempts)s::uuid[]) AND purpose = 'approval' AND attempts = 0
      AND due_at > %(now)s
      AND sent_at IS NULL AND given_up_at IS NULL AND left_out_at IS NULL
    GROUP BY attempt_id
)
UPDATE notices SET due_at = %(now)s::timestamptz
FROM next
WHERE notices.attempt_id = next.attempt_id AND notices.due_at = next.due_at
  AND purpose = 'approval' AND attempts = 0
  AND sent_at IS NULL AND given_up_at IS NULL AND left_out_at IS NULL;

-- stranded_questions --
-- Of these attempts, those that nobody was, or is to be, asked about, with who could not be.
SELECT DISTINCT ON (attempt_id)
       attempt_id, severity, subject, body, incident_id, project,
       (SELECT array_agg(DISTINCT other.contact) FROM notices AS other
        WHERE other.attempt_id = notices.attempt_id AND other.purpose = 'approval'
          AND other.contact IS NOT NULL) AS contacts
FROM notices
WHERE attempt_id = ANY (%(attempts)s::uuid[]) AND purpose = 'approval' AND NOT EXISTS (
    SELECT FROM notices AS other
    WHERE other.attempt_id = notices.attempt_id AND other.purpose = 'approval'
      AND other.given_up_at IS NULL AND other.left_out_at IS NULL)
ORDER BY attempt_id, id;
