-- Incidents are worked on: who has seen one, and which are due.
ALTER TABLE incidents ADD COLUMN acknowledged_at timestamptz, ADD COLUMN acknowledged_by text;
UPDATE incidents SET next_step_at = now() WHERE state <> 'resolved';
CREATE INDEX ON incidents (next_step_at) WHERE next_step_at IS NOT NULL;
CREATE INDEX ON incidents (leased_until) WHERE leased_until IS NOT NULL;
CREATE INDEX ON incidents (project, kind, opened_at);

-- One try of one action; its id is the idempotency key. Every move is also in action_history.
CREATE TABLE action_attempts (
    id               uuid PRIMARY KEY,
    incident_id      bigint REFERENCES incidents (id),
    project          text NOT NULL,
    action           text NOT NULL,
    parameters       jsonb NOT NULL DEFAULT '{}',
    risk             text NOT NULL CHECK (risk IN ('reversible', 'disruptive', 'destructive')),
    purpose          text NOT NULL CHECK (purpose IN ('heal', 'undo', 'release', 'by_hand')),
    number           integer NOT NULL DEFAULT 1,
    undoes           uuid REFERENCES action_attempts (id),
    rule             text,
    rules_version    text,
    plan             jsonb NOT NULL DEFAULT '{}',   -- what the rule wants after the effect
    dry_run          boolean NOT NULL DEFAULT false,
    state            text NOT NULL CHECK (state IN (
                     'pending', 'approved', 'executing', 'verifying', 'completed', 'failed',
                     'rejected', 'expired', 'unknown', 'rolled_back')),
    requested_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    requested_by     text NOT NULL,
    reason           text NOT NULL,
    expires_at       timestamptz,
    decided_at       timestamptz,
    decided_by       text,
    decision_reason  text,
    hub              text,
    executing_at     timestamptz,
    executing_until  timestamptz,
    effect_at        timestamptz,
    verify_until     timestamptz,
    finished_at      timestamptz,
    succeeded        boolean,                       -- it was verified to have helped, or not
    permanent        boolean NOT NULL DEFAULT false, -- to try again is useless
    outcome          text
) WITH (fillfactor = 70);
CREATE UNIQUE INDEX action_attempts_one_per_incident ON action_attempts (incident_id)
    WHERE state IN ('pending', 'approved', 'executing', 'verifying', 'unknown');
CREATE UNIQUE INDEX action_attempts_one_per_action ON action_attempts (project, action)
    WHERE state IN ('pending', 'approved', 'executing', 'verifying', 'unknown');
CREATE UNIQUE INDEX action_attempts_one_at_a_time ON action_attempts (project)
    WHERE state = 'executing';
CREATE UNIQUE INDEX action_attempts_numbered ON action_attempts (incident_id, number)
    WHERE purpose = 'heal';
CREATE INDEX ON action_attempts (incident_id);
CREATE INDEX ON action_attempts (project, executing_at);
CREATE INDEX ON action_attempts (executing_at);
CREATE INDEX ON action_attempts (requested_at);

-- What the rules said of an incident, whenever that changed, and by which version of them.
CREATE TABLE rule_decisions (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    decided_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    hub            text NOT NULL,
    incident_id    bigint NOT NULL REFERENCES incidents (id),
    project        text,
    kind           text NOT NULL,
    step           text NOT NULL,
    reason         text NOT NULL,
    rule           text,
    rules_version  text NOT NULL,
    action         text,
    target         text,
    details        jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX ON rule_decisions (incident_id, id);
CREATE INDEX ON rule_decisions (rule, decided_at);
CREATE INDEX ON rule_decisions USING brin (decided_at);

-- What a version of the rules said, file by file.
CREATE TABLE rule_versions (
    version        text PRIMARY KEY,
    first_used_at  timestamptz NOT NULL DEFAULT now(),
    files          jsonb NOT NULL
);

-- The global brake: while it is pulled, no hub starts an action.
CREATE TABLE brake (
    single   boolean PRIMARY KEY DEFAULT true CHECK (single),
    stopped  boolean NOT NULL DEFAULT false,
    by       text NOT NULL DEFAULT 'opslore',
    reason   text NOT NULL DEFAULT '',
    at       timestamptz NOT NULL DEFAULT now()
);
INSERT INTO brake DEFAULT VALUES;

-- What people wish not to hear of, and not to be acted on, for a while.
CREATE TABLE silences (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    project     text,                               -- null: any
    tag         text,
    kind        text,
    starts_at   timestamptz NOT NULL,
    ends_at     timestamptz NOT NULL CHECK (ends_at > starts_at),
    reason      text NOT NULL,
    created_by  text NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    ended_by    text,
    CHECK (num_nonnulls(project, tag, kind) > 0)
);
CREATE INDEX ON silences (ends_at);

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_publication WHERE pubname = 'supabase_realtime') THEN
        ALTER PUBLICATION supabase_realtime ADD TABLE
            action_attempts, rule_decisions, brake, silences;
    END IF;
END $$;
