-- lock_migrations --
-- Let one migrating hub at a time pass, until its transaction ends.
SELECT pg_advisory_xact_lock(7307701);

-- create_migrations --
-- The list of applied migrations.
CREATE TABLE IF NOT EXISTS schema_migrations (
    number      integer PRIMARY KEY,
    name        text NOT NULL,
    digest      text NOT NULL,
    applied_at  timestamptz NOT NULL DEFAULT now()
);

-- migrations_exist --
-- Whether the list of applied migrations is there yet.
SELECT to_regclass('schema_migrations') IS NOT NULL AS found;

-- applied_migrations --
-- What was applied, in order.
SELECT number, name, digest, applied_at FROM schema_migrations ORDER BY number;

-- record_migration --
-- Note that a migration was applied.
INSERT INTO schema_migrations (number, name, digest)
VALUES (%(number)s, %(name)s, %(digest)s);
