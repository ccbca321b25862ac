-- Whom an incident is told, one after the other, until somebody takes care of it, one chain an incident.
CREATE TABLE escalations (
    incident_id  bigint PRIMARY KEY REFERENCES incidents (id),
    chain        jsonb NOT NULL,                 -- the steps, as the hub file or a rule says them
    severity     text NOT NULL CHECK (severity IN ('info', 'warning', 'critical')),
    subject      text NOT NULL,
    body         text NOT NULL,
    started_at   timestamptz NOT NULL,
    reached      integer[] NOT NULL DEFAULT '{}',  -- the steps that were told, by position
    level        integer GENERATED ALWAYS AS (cardinality(reached)) STORED,
    advanced_at  timestamptz,                    -- everything due until then was told
    next_at      timestamptz,                    -- null: nothing is to come
    hurried      boolean NOT NULL DEFAULT false, -- a step could not be told: do not wait for the next
    stopped_at   timestamptz,
    stop_reason  text CHECK (stop_reason IN ('acknowledged', 'resolved', 'withdrawn')),
    stopped_by   text,
    CHECK ((stopped_at IS NULL) = (stop_reason IS NULL))
) WITH (fillfactor = 70);
CREATE INDEX ON escalations (next_at) WHERE stopped_at IS NULL;

-- What is to be told to whom: sent in groups, at least once, by one hub at a time.
CREATE TABLE notices (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    contact       text,                          -- null: there is nobody to tell
    purpose       text NOT NULL CHECK (purpose IN (
                  'escalation', 'approval', 'suggestion', 'resolved', 'test', 'action')),
    severity      text NOT NULL CHECK (severity IN ('info', 'warning', 'critical')),
    subject       text NOT NULL,
    body          text NOT NULL,
    incident_id   bigint REFERENCES incidents (id),
    attempt_id    uuid,
    project       text,
    created_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    due_at        timestamptz NOT NULL,
    group_id      uuid,                          -- the message it went out with, last
    leased_by     text,
    leased_until  timestamptz,
    attempts      integer NOT NULL DEFAULT 0,
    delivered     text[] NOT NULL DEFAULT '{}',  -- the addresses that took it, as fingerprints
    last_error    text,
    sent_at       timestamptz,
    given_up_at   timestamptz,
    left_out_at   timestamptz,                   -- it was not for this contact; last_error says why
    settled       boolean NOT NULL DEFAULT false,  -- the end of its incident was taken up
    CHECK (num_nonnulls(sent_at, given_up_at, left_out_at) <= 1)
) WITH (fillfactor = 70);
CREATE INDEX notices_waiting ON notices (id)
    WHERE sent_at IS NULL AND given_up_at IS NULL AND left_out_at IS NULL;
CREATE INDEX notices_unsettled ON notices (incident_id) WHERE NOT settled AND purpose <> 'resolved';
CREATE UNIQUE INDEX notices_one_resolved ON notices (incident_id, contact)
    WHERE purpose = 'resolved';
CREATE INDEX ON notices (incident_id, contact);
CREATE INDEX ON notices (attempt_id) WHERE attempt_id IS NOT NULL;
CREATE INDEX ON notices (contact, sent_at) WHERE sent_at IS NOT NULL;

-- Whoever sends notices looks at once when there is something new, and when an incident is over.
CREATE FUNCTION announce_notices() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('opslore_notices', '');
    RETURN NULL;
END $$;
CREATE TRIGGER announce_notices AFTER INSERT ON notices
    FOR EACH STATEMENT EXECUTE FUNCTION announce_notices();
CREATE TRIGGER announce_escalations AFTER INSERT OR UPDATE OF severity, started_at ON escalations
    FOR EACH STATEMENT EXECUTE FUNCTION announce_notices();
CREATE TRIGGER announce_resolution AFTER UPDATE OF state ON incidents
    FOR EACH ROW WHEN (NEW.state = 'resolved' AND OLD.state <> 'resolved')
    EXECUTE FUNCTION announce_notices();

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_publication WHERE pubname = 'supabase_realtime') THEN
        ALTER PUBLICATION supabase_realtime ADD TABLE escalations;
    END IF;
END $$;
