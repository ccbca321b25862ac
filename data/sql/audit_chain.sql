-- append_actions --
-- Append entries in the order given; the database numbers, dates and chains them.
INSERT INTO action_history
    (action_id, project, incident_id, action, from_state, to_state, actor, reason, details)
SELECT action_id, project, incident_id, action, from_state, to_state, actor, reason, details
FROM ROWS FROM (jsonb_to_recordset(%(entries)s) AS
     (action_id uuid, project text, incident_id bigint, action text, from_state text,
      to_state text, actor text, reason text, details jsonb)) WITH ORDINALITY AS given
     (action_id, project, incident_id, action, from_state, to_state, actor, reason, details, place)
ORDER BY place
RETURNING seq;

-- audit_head --
-- The newest row of the chain.
SELECT seq, hash, recorded_at FROM action_history ORDER BY seq DESC LIMIT 1;

-- audit_hash_at --
-- The hash of one row.
SELECT hash FROM action_history WHERE seq = %(seq)s;

-- record_identity --
-- Which record this is.
SELECT id FROM record_identity;

-- newest_actions --
-- The newest entries, the newest first.
SELECT seq, recorded_at, action_id, project, incident_id, action, from_state, to_state, actor,
       reason, details, previous_hash, hash
FROM action_history
WHERE (%(project)s::text IS NULL OR project = %(project)s)
ORDER BY seq DESC LIMIT %(limit)s;
