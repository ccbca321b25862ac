-- add_silence --
-- Silence a project, a tag or a kind for a while; open incidents are looked at again.
INSERT INTO silences (project, tag, kind, starts_at, ends_at, reason, created_by)
VALUES (%(project)s::text, %(tag)s::text, %(kind)s::text, %(starts_at)s, %(ends_at)s,
        %(reason)s, %(created_by)s)
RETURNING id;

-- end_silence --
-- End a silence before its time, unless it is over.
UPDATE silences SET ends_at = greatest(now(), starts_at + interval '1 microsecond'), ended_by = %(by)s
WHERE id = %(id)s AND ends_at > now()
RETURNING id;

-- active_silences --
-- The silences that hold now.
SELECT id, project, tag, kind, starts_at, ends_at, reason, created_by, created_at, ended_by
FROM silences WHERE starts_at <= now() AND ends_at > now() ORDER BY id;

-- list_silences --
-- Silences, the newest first.
SELECT id, project, tag, kind, starts_at, ends_at, reason, created_by, created_at, ended_by
FROM silences ORDER BY id DESC LIMIT %(limit)s;
