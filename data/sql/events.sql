-- append_events --
-- Append events in the order given.
INSERT INTO agent_events
    (occurred_at, hub, agent, kind, severity, project, incident_id, message, details)
SELECT occurred_at, hub, agent, kind, severity, project, incident_id, message, details
FROM ROWS FROM (jsonb_to_recordset(%(events)s) AS
     (occurred_at timestamptz, hub text, agent text, kind text, severity text, project text,
      incident_id bigint, message text, details jsonb)) WITH ORDINALITY AS given
     (occurred_at, hub, agent, kind, severity, project, incident_id, message, details, place)
ORDER BY place
RETURNING id;

-- events_after --
-- Events with a higher number than one already seen, oldest first.
SELECT id, occurred_at, recorded_at, hub, agent, kind, severity, project, incident_id, message,
       details
FROM agent_events
WHERE id > %(after)s
  AND (%(project)s::text IS NULL OR project = %(project)s)
  AND (%(kind)s::text IS NULL OR kind = %(kind)s)
ORDER BY id LIMIT %(limit)s;

-- latest_events --
-- The newest events, oldest first.
SELECT * FROM (
    SELECT id, occurred_at, recorded_at, hub, agent, kind, severity, project, incident_id, message,
           details
    FROM agent_events
    WHERE (%(project)s::text IS NULL OR project = %(project)s)
      AND (%(kind)s::text IS NULL OR kind = %(kind)s)
    ORDER BY id DESC LIMIT %(limit)s) AS newest
ORDER BY id;

-- incident_events --
-- The events of one incident, oldest first.
SELECT id, occurred_at, recorded_at, hub, agent, kind, severity, project, incident_id, message,
       details
FROM agent_events WHERE incident_id = %(incident_id)s ORDER BY id;

-- last_event_id --
-- The number of the newest event, 0 when there is none.
SELECT coalesce(max(id), 0) AS id FROM agent_events;
