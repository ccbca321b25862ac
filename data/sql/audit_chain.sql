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
SELECT seq, hash, (SELECT id FROM record_identity) AS database
FROM action_history ORDER BY seq DESC LIMIT 1;

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

-- chained_rows --
-- The rows of the chain as they are hashed: every field as text, in the order of numbers.
SELECT seq, seq::text AS number, trunc(extract(epoch FROM recorded_at) * 1000000)::text, action_id::text,
       project, incident_id::text, action, from_state, to_state, actor, reason, details::text,
       previous_hash, hash
FROM action_history
WHERE (%(project)s::text IS NULL OR project = %(project)s)
  AND (%(since)s::timestamptz IS NULL OR recorded_at >= %(since)s)
ORDER BY seq;

-- chain_exists --
-- Whether the record has an audit chain yet.
SELECT EXISTS (SELECT FROM pg_attribute
               WHERE attrelid = to_regclass('action_history') AND attname = 'hash') AS found;

-- chain_triggers --
-- The triggers that guard the chain and those that come before its rows.
SELECT c.relname::text AS table_name, t.tgname::text AS name, t.tgenabled::text AS enabled,
       t.tgtype::integer AS events, t.tgqual IS NULL AND t.tgattr::text = '' AS unconditional,
       p.proname::text AS function, p.prosrc AS body
FROM pg_trigger AS t JOIN pg_class AS c ON c.oid = t.tgrelid JOIN pg_proc AS p ON p.oid = t.tgfoid
WHERE t.tgrelid IN (to_regclass('action_history'), to_regclass('record_identity'))
  AND NOT t.tgisinternal
ORDER BY c.relname, t.tgname;

-- chain_functions --
-- The functions by which the chain's triggers work, beside the table.
SELECT p.proname::text AS name, p.prosrc AS body
FROM pg_proc AS p JOIN pg_class AS c ON c.relnamespace = p.pronamespace
WHERE c.oid = to_regclass('action_history') AND p.proname = ANY(%(names)s::text[]);

-- chain_table --
-- What may hide rows of the chain or keep them away from its triggers.
SELECT relkind <> 'r' AS other_kind, relrowsecurity AS row_security,
       EXISTS (SELECT FROM pg_rewrite AS w WHERE w.ev_class = c.oid) AS rules,
       EXISTS (SELECT FROM pg_inherits AS i WHERE i.inhparent = c.oid) AS children
FROM pg_class AS c WHERE c.oid = to_regclass('action_history');

-- unaccounted_attempts --
-- Attempts in a state that the chain does not know of.
SELECT id, project, action, state, count(*) OVER () AS attempts FROM action_attempts AS attempt
WHERE NOT EXISTS (SELECT FROM action_history AS told
                  WHERE told.action_id = attempt.id AND told.to_state = attempt.state)
ORDER BY requested_at LIMIT 1;
