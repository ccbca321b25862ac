-- day_of_project_status_history --
-- The health probes of a stretch of time, in the archive's order.
SELECT project, recorded_at, status, response_ms, http_status, detail
FROM project_status_history WHERE recorded_at >= $1 AND recorded_at < $2
ORDER BY project, recorded_at;

-- day_of_project_metrics --
-- The scrapes of a stretch of time, in the archive's order; further metrics as JSON text.
SELECT project, recorded_at, cpu_percent, memory_percent, error_rate_percent, response_ms,
       other::text AS other, detail
FROM project_metrics WHERE recorded_at >= $1 AND recorded_at < $2
ORDER BY project, recorded_at;

-- day_of_project_logs --
-- The log lines of a stretch of time, in the archive's order.
SELECT project, recorded_at, logged_at, level, message
FROM project_logs WHERE recorded_at >= $1 AND recorded_at < $2
ORDER BY project, recorded_at;

-- day_of_system_health --
-- The condition of the hubs over a stretch of time, in the archive's order.
SELECT hub, recorded_at, status, projects, probes_per_s, cycle_lag_ms, queue_depth, database_ms,
       prefect_ms, prefect_reachable, network_suspected, cpu_percent, memory_bytes, config_error,
       detail
FROM system_health WHERE recorded_at >= $1 AND recorded_at < $2
ORDER BY hub, recorded_at;
