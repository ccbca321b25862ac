-- The audit chain: every row of action_history carries the hash of the row before it.
--
-- hash = sha256(fields || previous_hash). `fields` is the text in UTF-8 of
--     seq, recorded_at, action_id, project, incident_id, action, from_state, to_state, actor,
--     reason, details
-- in this order, each as `<its length in bytes>:<it>,` and as `-,` where it is null, so that no
-- text can pass for two fields. recorded_at is in whole microseconds since 1970-01-01 UTC,
-- details is what Postgres prints for jsonb. previous_hash of row 1 is 32 zero bytes.
-- data/chain_hash.py computes the same, independently.
--
-- Rows are numbered 1, 2, 3 … without gaps, in the order of commits. Advisory locks are taken
-- in this order, or two writers may deadlock: 7307706 (beginning an attempt), 7307707 (writing
-- action_history), 7307704 (writing agent_events).
ALTER TABLE action_history ALTER COLUMN seq DROP IDENTITY,
    ADD COLUMN previous_hash bytea, ADD COLUMN hash bytea;

CREATE FUNCTION action_history_hash(entry action_history) RETURNS bytea
LANGUAGE sql STABLE SET search_path FROM CURRENT AS $$
    SELECT sha256(convert_to(string_agg(
        coalesce(octet_length(convert_to(field, 'UTF8')) || ':' || field, '-') || ',', ''
        ORDER BY place), 'UTF8') || entry.previous_hash)
    FROM unnest(ARRAY[
        entry.seq::text, trunc(extract(epoch FROM entry.recorded_at) * 1000000)::text,
        entry.action_id::text, entry.project, entry.incident_id::text, entry.action,
        entry.from_state, entry.to_state, entry.actor, entry.reason, entry.details::text
    ]) WITH ORDINALITY AS given (field, place)
$$;

-- Rows from before the chain are numbered anew without gaps and chained in their order.
ALTER TABLE action_history DISABLE TRIGGER refuse_change;
DO $$
DECLARE
    entry action_history;
    old_seq bigint;
    last_seq bigint := 0;
    last_hash bytea := decode(repeat('00', 32), 'hex');
BEGIN
    FOR entry IN SELECT * FROM action_history ORDER BY seq LOOP
        old_seq := entry.seq;
        entry.seq := last_seq + 1;
        entry.previous_hash := last_hash;
        entry.hash := action_history_hash(entry);
        UPDATE action_history
        SET seq = entry.seq, previous_hash = entry.previous_hash, hash = entry.hash
        WHERE seq = old_seq;
        last_seq := entry.seq;
        last_hash := entry.hash;
    END LOOP;
END $$;
ALTER TABLE action_history ALTER COLUMN previous_hash SET NOT NULL,
    ALTER COLUMN hash SET NOT NULL;

CREATE FUNCTION chain_action() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    head action_history;
BEGIN
    -- at other levels the head would be that of the transaction's begin, not the newest
    IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
        RAISE EXCEPTION 'action_history is written at READ COMMITTED, not at %',
            upper(current_setting('transaction_isolation'))
            USING ERRCODE = 'invalid_transaction_state';
    END IF;
    PERFORM pg_advisory_xact_lock(7307707);
    SELECT * INTO head FROM action_history ORDER BY seq DESC LIMIT 1;
    NEW.seq := coalesce(head.seq, 0) + 1;
    NEW.recorded_at := greatest(clock_timestamp(), head.recorded_at);
    NEW.previous_hash := coalesce(head.hash, decode(repeat('00', 32), 'hex'));
    NEW.hash := action_history_hash(NEW);
    RETURN NEW;
END $$;
CREATE TRIGGER chain_action BEFORE INSERT ON action_history
    FOR EACH ROW EXECUTE FUNCTION chain_action();

-- ALWAYS: also where session_replication_role is replica.
ALTER TABLE action_history ENABLE ALWAYS TRIGGER refuse_change;
ALTER TABLE action_history ENABLE ALWAYS TRIGGER chain_action;

-- Which record this is, so that it is not held against the anchors of another.
CREATE TABLE record_identity (
    single  boolean PRIMARY KEY DEFAULT true CHECK (single),
    id      uuid NOT NULL DEFAULT gen_random_uuid()
);
INSERT INTO record_identity DEFAULT VALUES;
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON record_identity
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE record_identity ENABLE ALWAYS TRIGGER refuse_change;
