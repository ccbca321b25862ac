-- list_partitions --
-- The daily partitions of one table, oldest first.
SELECT child.relname AS name
FROM pg_inherits
JOIN pg_class child ON child.oid = pg_inherits.inhrelid
JOIN pg_class parent ON parent.oid = pg_inherits.inhparent
WHERE parent.relname = %(parent)s AND parent.relnamespace = 'public'::regnamespace
  AND child.relname ~ '_[0-9]{8}$'
ORDER BY child.relname;

-- lock_maintenance --
-- Let one hub at a time maintain the record, until its transaction ends.
SELECT pg_try_advisory_xact_lock(7307703) AS taken;

-- delete_old_events --
-- Forget events that are older than the retention and belong to no incident.
DELETE FROM agent_events
WHERE occurred_at < %(before)s AND incident_id IS NULL;
