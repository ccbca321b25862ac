-- roll_up_5m --
-- Aggregate probes and scrapes since an instant into buckets of 5 minutes, over what is there.
WITH probes AS (
    SELECT project, date_bin('5 minutes', recorded_at, timestamptz '2000-01-01') AS bucket_at,
           count(*) FILTER (WHERE status = 'healthy') AS healthy,
           count(*) FILTER (WHERE status = 'degraded') AS degraded,
           count(*) FILTER (WHERE status = 'down') AS down,
           count(*) FILTER (WHERE status = 'unknown') AS unknown,
           avg(response_ms) AS response_ms_mean,
           percentile_cont(0.95) WITHIN GROUP (ORDER BY response_ms) AS response_ms_p95,
           max(response_ms) AS response_ms_max
    FROM project_status_history WHERE recorded_at >= %(since)s GROUP BY 1, 2
), scrapes AS (
    SELECT project, date_bin('5 minutes', recorded_at, timestamptz '2000-01-01') AS bucket_at,
           avg(cpu_percent) AS cpu_percent_mean, max(cpu_percent) AS cpu_percent_max,
           avg(memory_percent) AS memory_percent_mean, max(memory_percent) AS memory_percent_max,
           avg(error_rate_percent) AS error_rate_percent_mean,
           max(error_rate_percent) AS error_rate_percent_max
    FROM project_metrics WHERE recorded_at >= %(since)s GROUP BY 1, 2
)
INSERT INTO rollups_5m
SELECT project, bucket_at, coalesce(healthy, 0), coalesce(degraded, 0), coalesce(down, 0),
       coalesce(unknown, 0), response_ms_mean, response_ms_p95, response_ms_max,
       cpu_percent_mean, cpu_percent_max, memory_percent_mean, memory_percent_max,
       error_rate_percent_mean, error_rate_percent_max
FROM probes FULL JOIN scrapes USING (project, bucket_at)
ON CONFLICT (project, bucket_at) DO UPDATE SET
    healthy = excluded.healthy, degraded = excluded.degraded, down = excluded.down,
    unknown = excluded.unknown, response_ms_mean = excluded.response_ms_mean,
    response_ms_p95 = excluded.response_ms_p95, response_ms_max = excluded.response_ms_max,
    cpu_percent_mean = excluded.cpu_percent_mean, cpu_percent_max = excluded.cpu_percent_max,
    memory_percent_mean = excluded.memory_percent_mean,
    memory_percent_max = excluded.memory_percent_max,
    error_rate_percent_mean = excluded.error_rate_percent_mean,
    error_rate_percent_max = excluded.error_rate_percent_max;

-- roll_up_1h --
-- Aggregate the 5-minute buckets since an instant into hours; means are weighted by probes.
INSERT INTO rollups_1h
SELECT project, date_trunc('hour', bucket_at), sum(healthy), sum(degraded), sum(down),
       sum(unknown),
       sum(response_ms_mean * (healthy + degraded + down))
           / nullif(sum(healthy + degraded + down) FILTER (WHERE response_ms_mean IS NOT NULL), 0),
       max(response_ms_p95), max(response_ms_max),
       avg(cpu_percent_mean), max(cpu_percent_max),
       avg(memory_percent_mean), max(memory_percent_max),
       avg(error_rate_percent_mean), max(error_rate_percent_max)
FROM rollups_5m WHERE bucket_at >= date_trunc('hour', %(since)s::timestamptz)
GROUP BY 1, 2
ON CONFLICT (project, bucket_at) DO UPDATE SET
    healthy = excluded.healthy, degraded = excluded.degraded, down = excluded.down,
    unknown = excluded.unknown, response_ms_mean = excluded.response_ms_mean,
    response_ms_p95 = excluded.response_ms_p95, response_ms_max = excluded.response_ms_max,
    cpu_percent_mean = excluded.cpu_percent_mean, cpu_percent_max = excluded.cpu_percent_max,
    memory_percent_mean = excluded.memory_percent_mean,
    memory_percent_max = excluded.memory_percent_max,
    error_rate_percent_mean = excluded.error_rate_percent_mean,
    error_rate_percent_max = excluded.error_rate_percent_max;

-- newest_bucket --
-- The start of the newest 5-minute bucket, null when there is none.
SELECT max(bucket_at) AS bucket_at FROM rollups_5m;
