-- copy_health --
-- Append health probes.
COPY project_status_history (project, recorded_at, status, response_ms, http_status, detail)
FROM STDIN;

-- copy_metrics --
-- Append scrapes.
COPY project_metrics (project, recorded_at, cpu_percent, memory_percent, error_rate_percent,
                      response_ms, other, detail)
FROM STDIN;

-- copy_logs --
-- Append log lines.
COPY project_logs (project, recorded_at, logged_at, level, message) FROM STDIN;

-- recent_health --
-- The newest probes of some projects, oldest first.
SELECT probe.project, probe.recorded_at, probe.status, probe.response_ms, probe.http_status,
       probe.detail
FROM unnest(%(projects)s::text[]) AS wanted (name)
CROSS JOIN LATERAL (
    SELECT * FROM project_status_history
    WHERE project = wanted.name AND recorded_at > %(since)s
    ORDER BY recorded_at DESC LIMIT %(limit)s) AS probe
ORDER BY probe.project, probe.recorded_at;

-- recent_metrics --
-- The newest scrapes of some projects, oldest first.
SELECT scrape.project, scrape.recorded_at, scrape.cpu_percent, scrape.memory_percent,
       scrape.error_rate_percent, scrape.response_ms, scrape.other, scrape.detail
FROM unnest(%(projects)s::text[]) AS wanted (name)
CROSS JOIN LATERAL (
    SELECT * FROM project_metrics
    WHERE project = wanted.name AND recorded_at > %(since)s
    ORDER BY recorded_at DESC LIMIT %(limit)s) AS scrape
ORDER BY scrape.project, scrape.recorded_at;

-- recent_logs --
-- The newest log lines of some projects, oldest first.
SELECT line.project, line.recorded_at, line.logged_at, line.level, line.message
FROM unnest(%(projects)s::text[]) AS wanted (name)
CROSS JOIN LATERAL (
    SELECT * FROM project_logs
    WHERE project = wanted.name AND recorded_at > %(since)s
    ORDER BY recorded_at DESC, seq DESC LIMIT %(limit)s) AS line
ORDER BY line.project, line.recorded_at, line.seq;

-- count_samples --
-- How many probes and scrapes were recorded since an instant.
SELECT (SELECT count(*) FROM project_status_history WHERE recorded_at >= %(since)s) AS probes,
       (SELECT count(*) FROM project_metrics WHERE recorded_at >= %(since)s) AS scrapes;

-- uptime --
-- Share of the probes since an instant that found the project up, by closed hours and what came after.
WITH hours AS (
    SELECT project, sum(healthy + degraded) AS up, sum(down) AS down, max(bucket_at) AS last_at
    FROM rollups_1h
    WHERE bucket_at >= %(since)s AND bucket_at < date_trunc('hour', now()) - interval '1 hour'
    GROUP BY project
), recent AS (
    SELECT project,
           count(*) FILTER (WHERE status IN ('healthy', 'degraded')) AS up,
           count(*) FILTER (WHERE status = 'down') AS down
    FROM project_status_history
    WHERE recorded_at >= greatest(%(since)s, date_trunc('hour', now()) - interval '1 hour')
    GROUP BY project
)
SELECT coalesce(hours.project, recent.project) AS project,
       100.0 * (coalesce(hours.up, 0) + coalesce(recent.up, 0))
       / nullif(coalesce(hours.up, 0) + coalesce(recent.up, 0)
                + coalesce(hours.down, 0) + coalesce(recent.down, 0), 0) AS uptime_percent
FROM hours FULL JOIN recent ON recent.project = hours.project;
