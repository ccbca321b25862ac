-- open_anomalies --
-- The anomalies that hold now in some projects.
SELECT id, project, kind, metric, detector, direction, severity, value, extreme,
       threshold, time_window, reason, started_at, last_seen_at, incident_id
FROM anomalies WHERE project = ANY (%(projects)s) AND ended_at IS NULL;

-- anomalies_of_incident --
-- Every anomaly that belongs to an incident, in order.
SELECT id, project, kind, metric, detector, direction, severity, value, extreme,
       threshold, time_window, reason, started_at, last_seen_at, ended_at, incident_id
FROM anomalies WHERE incident_id = %(incident_id)s ORDER BY started_at, id;

-- begin_anomalies --
-- Begin anomalies; one that holds already is left alone.
INSERT INTO anomalies (project, kind, metric, detector, direction, severity, value, extreme,
                       threshold, time_window, reason, started_at, last_seen_at, incident_id)
SELECT project, kind, metric, detector, direction, severity, value, value, threshold,
       make_interval(secs => window_s), reason, at, at, incident_id
FROM jsonb_to_recordset(%(anomalies)s) AS given
     (project text, kind text, metric text, detector text, direction text, severity text,
      value float8, threshold float8, window_s float8, reason text, at timestamptz, incident_id bigint)
ON CONFLICT (project, metric, detector) WHERE ended_at IS NULL DO NOTHING
RETURNING id, project, metric, detector;

-- touch_anomalies --
-- Note the newest value of anomalies that still hold, and the worst so far.
UPDATE anomalies
SET value = given.value, last_seen_at = given.at, reason = given.reason,
    extreme = CASE direction WHEN 'above' THEN greatest(anomalies.extreme, given.value)
                             ELSE least(anomalies.extreme, given.value) END
FROM jsonb_to_recordset(%(anomalies)s) AS given
     (project text, metric text, detector text, value float8, reason text, at timestamptz)
WHERE anomalies.project = given.project AND anomalies.metric = given.metric
  AND anomalies.detector = given.detector AND anomalies.ended_at IS NULL;

-- end_anomalies --
-- End anomalies that no longer hold.
UPDATE anomalies SET ended_at = given.at
FROM jsonb_to_recordset(%(anomalies)s) AS given
     (project text, metric text, detector text, at timestamptz)
WHERE anomalies.project = given.project AND anomalies.metric = given.metric
  AND anomalies.detector = given.detector AND anomalies.ended_at IS NULL
RETURNING id, anomalies.project, kind, anomalies.metric, anomalies.detector, severity, extreme,
          threshold, started_at, ended_at, incident_id;

-- settled_kinds --
-- Of these project and kind pairs, those in which no anomaly holds any more.
SELECT given.project, given.kind
FROM jsonb_to_recordset(%(pairs)s) AS given (project text, kind text)
WHERE NOT EXISTS (
    SELECT FROM anomalies
    WHERE anomalies.project = given.project AND anomalies.kind = given.kind
      AND ended_at IS NULL);

-- end_unwatched --
-- End the anomalies of projects that were removed, paused or switched off.
UPDATE anomalies SET ended_at = now()
FROM projects
WHERE anomalies.project = projects.name AND anomalies.ended_at IS NULL
  AND (removed_at IS NOT NULL OR paused OR NOT (spec ->> 'enabled')::boolean);
