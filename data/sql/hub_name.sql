-- take_name --
-- Hold a hub's name for as long as this connection lives; false when another hub has it.
SELECT pg_try_advisory_lock(7307702, hashtext(%(name)s)) AS taken;

-- still_there --
-- Ask for nothing but an answer.
SELECT 1;
