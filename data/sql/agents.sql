-- beat --
-- Tell that an agent lives, what it has handled and what went wrong last.
INSERT INTO agents (hub, agent, state, started_at, heartbeat_at, handled, errors, last_error,
                    last_error_at)
SELECT %(hub)s, agent, state, started_at, now() - make_interval(secs => silent_s), handled, errors,
       last_error, last_error_at
FROM jsonb_to_recordset(%(agents)s) AS given
     (agent text, state text, started_at timestamptz, silent_s float8, handled bigint,
      errors bigint, last_error text, last_error_at timestamptz)
ON CONFLICT (hub, agent) DO UPDATE
    SET state = excluded.state, started_at = excluded.started_at,
        heartbeat_at = excluded.heartbeat_at, handled = excluded.handled,
        errors = excluded.errors, last_error = excluded.last_error,
        last_error_at = excluded.last_error_at;

-- list_agents --
-- Every agent of every hub, with the seconds since its last heartbeat.
SELECT hub, agent, state, started_at, heartbeat_at, handled, errors, last_error, last_error_at,
       extract(epoch FROM now() - heartbeat_at)::float8 AS silent_s
FROM agents ORDER BY hub, agent;
