-- The registry of projects, and who polls each of them.
CREATE TABLE projects (
    name             text PRIMARY KEY,
    source           text NOT NULL,            -- 'file:<registry>' or 'database': who owns the spec
    spec             jsonb NOT NULL,
    paused           boolean NOT NULL DEFAULT false,
    added_at         timestamptz NOT NULL DEFAULT now(),
    changed_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    removed_at       timestamptz,
    next_health_at   timestamptz,
    next_metrics_at  timestamptz,
    leased_by        text,
    leased_until     timestamptz,
    status           text NOT NULL DEFAULT 'unknown'
                     CHECK (status IN ('healthy', 'degraded', 'down', 'unknown')),
    status_since     timestamptz NOT NULL DEFAULT now(),
    status_detail    text,
    reported         jsonb NOT NULL DEFAULT '{}'  -- what the project last said at /status
) WITH (fillfactor = 50);

-- History: append-only, partitioned by day, so that a day is dropped and not deleted.
CREATE TABLE project_status_history (
    project      text NOT NULL,
    recorded_at  timestamptz NOT NULL,
    status       text NOT NULL CHECK (status IN ('healthy', 'degraded', 'down', 'unknown')),
    response_ms  real,
    http_status  smallint,
    detail       text
) PARTITION BY RANGE (recorded_at);
CREATE INDEX ON project_status_history (project, recorded_at);
CREATE INDEX ON project_status_history USING brin (recorded_at);
CREATE TABLE project_status_history_default PARTITION OF project_status_history DEFAULT;

CREATE TABLE project_metrics (
    project             text NOT NULL,
    recorded_at         timestamptz NOT NULL,
    cpu_percent         double precision,
    memory_percent      double precision,
    error_rate_percent  double precision,
    response_ms         double precision,
    other               jsonb NOT NULL DEFAULT '{}',
    detail              text
) PARTITION BY RANGE (recorded_at);
CREATE INDEX ON project_metrics (project, recorded_at);
CREATE INDEX ON project_metrics USING brin (recorded_at);
CREATE TABLE project_metrics_default PARTITION OF project_metrics DEFAULT;

CREATE SEQUENCE project_logs_seq;
CREATE TABLE project_logs (
    seq          bigint NOT NULL DEFAULT nextval('project_logs_seq'),  -- lines of one instant
    project      text NOT NULL,
    recorded_at  timestamptz NOT NULL,
    logged_at    timestamptz,
    level        text,
    message      text NOT NULL
) PARTITION BY RANGE (recorded_at);
CREATE INDEX ON project_logs (project, recorded_at);
CREATE INDEX ON project_logs USING brin (recorded_at);
CREATE TABLE project_logs_default PARTITION OF project_logs DEFAULT;

CREATE TABLE system_health (
    hub                text NOT NULL,
    recorded_at        timestamptz NOT NULL,
    status             text NOT NULL CHECK (status IN ('healthy', 'degraded')),
    projects           integer NOT NULL,
    probes_per_s       real NOT NULL,
    cycle_lag_ms       real NOT NULL,
    queue_depth        integer NOT NULL,
    database_ms        real,
    prefect_ms         real,
    prefect_reachable  boolean NOT NULL,
    network_suspected  boolean NOT NULL,
    cpu_percent        real NOT NULL,
    memory_bytes       bigint NOT NULL,
    config_error       text,
    detail             text
) PARTITION BY RANGE (recorded_at);
CREATE INDEX ON system_health (hub, recorded_at);
CREATE INDEX ON system_health USING brin (recorded_at);
CREATE TABLE system_health_default PARTITION OF system_health DEFAULT;

-- One row per agent per hub.
CREATE TABLE agents (
    hub            text NOT NULL,
    agent          text NOT NULL,
    state          text NOT NULL CHECK (state IN ('running', 'restarting', 'stopped')),
    started_at     timestamptz NOT NULL,
    heartbeat_at   timestamptz NOT NULL,
    handled        bigint NOT NULL DEFAULT 0,
    errors         bigint NOT NULL DEFAULT 0,
    last_error     text,
    last_error_at  timestamptz,
    PRIMARY KEY (hub, agent)
) WITH (fillfactor = 50);

-- A problem of a project. At most one unresolved incident per project and kind.
CREATE TABLE incidents (
    id                 bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    project            text,                     -- null: the fleet as `hub` sees it
    hub                text,
    kind               text NOT NULL,
    severity           text NOT NULL CHECK (severity IN ('info', 'warning', 'critical')),
    state              text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'resolved')),
    title              text NOT NULL,
    opened_at          timestamptz NOT NULL,
    updated_at         timestamptz NOT NULL,
    resolved_at        timestamptz,
    resolution         text,
    cause_incident_id  bigint REFERENCES incidents (id),  -- suppressed by this one
    explanation        text,
    next_step_at       timestamptz,
    leased_by          text,
    leased_until       timestamptz
);
CREATE UNIQUE INDEX incidents_one_open
    ON incidents (coalesce(project, ''), coalesce(hub, ''), kind) WHERE state <> 'resolved';
CREATE INDEX ON incidents (opened_at);
CREATE INDEX ON incidents (cause_incident_id) WHERE cause_incident_id IS NOT NULL;

-- A detection that holds: opened when it begins, closed when it is over.
CREATE TABLE anomalies (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    project       text NOT NULL,
    kind          text NOT NULL,
    metric        text NOT NULL,
    detector      text NOT NULL CHECK (detector IN ('threshold', 'trend')),
    direction     text NOT NULL CHECK (direction IN ('above', 'below')),
    severity      text NOT NULL CHECK (severity IN ('info', 'warning', 'critical')),
    value         double precision NOT NULL,     -- the newest
    extreme       double precision NOT NULL,     -- the worst so far
    threshold     double precision NOT NULL,
    time_window   interval NOT NULL,
    reason        text NOT NULL,
    started_at    timestamptz NOT NULL,
    last_seen_at  timestamptz NOT NULL,
    ended_at      timestamptz,
    incident_id   bigint NOT NULL REFERENCES incidents (id)
);
CREATE UNIQUE INDEX anomalies_one_open ON anomalies (project, metric, detector)
    WHERE ended_at IS NULL;
CREATE INDEX ON anomalies (incident_id);
CREATE INDEX ON anomalies (project, started_at);

-- What happened, in order. Every insert is announced on the channel opslore_events.
CREATE TABLE agent_events (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    occurred_at  timestamptz NOT NULL,           -- when the fact held
    recorded_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    hub          text NOT NULL,
    agent        text NOT NULL,
    kind         text NOT NULL,
    severity     text NOT NULL CHECK (severity IN ('info', 'warning', 'critical')),
    project      text,
    incident_id  bigint REFERENCES incidents (id),
    message      text NOT NULL,
    details      jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX ON agent_events (project, id);
CREATE INDEX ON agent_events (kind, id);
CREATE INDEX ON agent_events (incident_id) WHERE incident_id IS NOT NULL;
CREATE INDEX ON agent_events USING brin (occurred_at);

-- Numbers are given in the order of commits: who has read up to a number has missed none below.
CREATE FUNCTION queue_for_number() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(7307704);
    RETURN NULL;
END $$;
CREATE TRIGGER queue_for_number BEFORE INSERT ON agent_events
    FOR EACH STATEMENT EXECUTE FUNCTION queue_for_number();

CREATE FUNCTION announce_event() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('opslore_events', json_build_object(
        'id', NEW.id, 'kind', NEW.kind, 'project', NEW.project)::text);
    RETURN NULL;
END $$;
CREATE TRIGGER announce_event AFTER INSERT ON agent_events
    FOR EACH ROW EXECUTE FUNCTION announce_event();

-- A change of the registry is announced, so that every hub looks at once.
CREATE FUNCTION announce_registry() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('opslore_projects', '');
    RETURN NULL;
END $$;
CREATE TRIGGER announce_registry_insert AFTER INSERT ON projects
    FOR EACH STATEMENT EXECUTE FUNCTION announce_registry();
CREATE TRIGGER announce_registry_update AFTER UPDATE OF spec, paused, removed_at ON projects
    FOR EACH STATEMENT EXECUTE FUNCTION announce_registry();

-- What was done to projects: rows are added and never touched again.
CREATE TABLE action_history (
    seq            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    recorded_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    action_id      uuid NOT NULL,
    project        text NOT NULL,
    incident_id    bigint REFERENCES incidents (id),
    action         text NOT NULL,
    from_state     text,
    to_state       text NOT NULL,
    actor          text NOT NULL,
    reason         text NOT NULL,
    details        jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX ON action_history (project, recorded_at);
CREATE INDEX ON action_history (action_id);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON action_history
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Pre-aggregated health and metrics, 5 minutes and 1 hour wide.
CREATE TABLE rollups_5m (
    project                 text NOT NULL,
    bucket_at               timestamptz NOT NULL,
    healthy                 integer NOT NULL,
    degraded                integer NOT NULL,
    down                    integer NOT NULL,
    unknown                 integer NOT NULL,
    response_ms_mean        real,
    response_ms_p95         real,
    response_ms_max         real,
    cpu_percent_mean        real,
    cpu_percent_max         real,
    memory_percent_mean     real,
    memory_percent_max      real,
    error_rate_percent_mean real,
    error_rate_percent_max  real,
    PRIMARY KEY (project, bucket_at)
);
CREATE INDEX ON rollups_5m USING brin (bucket_at);
CREATE TABLE rollups_1h (LIKE rollups_5m INCLUDING ALL);

-- Supabase Realtime sends what its publication lists; elsewhere there is no such publication.
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_publication WHERE pubname = 'supabase_realtime') THEN
        ALTER PUBLICATION supabase_realtime ADD TABLE
            projects, incidents, anomalies, agent_events, agents, system_health;
    END IF;
END $$;
