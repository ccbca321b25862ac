-- read_brake --
-- Whether the brake is pulled, by whom, why and since when.
SELECT stopped, by, reason, at FROM brake;

-- queue_for_brake --
-- Wait until no attempt is just beginning: after the brake was pulled, none does.
SELECT pg_advisory_xact_lock(7307706);

-- set_brake --
-- Pull or release the brake, unless it is so already.
UPDATE brake SET stopped = %(stopped)s, by = %(by)s, reason = %(reason)s, at = clock_timestamp()
WHERE stopped <> %(stopped)s
RETURNING stopped, by, reason, at;
