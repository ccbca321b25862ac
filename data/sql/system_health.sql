-- append_vitals --
-- Record the condition of one hub.
INSERT INTO system_health
    (hub, recorded_at, status, projects, probes_per_s, cycle_lag_ms, queue_depth, database_ms,
     prefect_ms, prefect_reachable, network_suspected, cpu_percent, memory_bytes, config_error,
     detail)
VALUES
    (%(hub)s, %(recorded_at)s, %(status)s, %(projects)s, %(probes_per_s)s, %(cycle_lag_ms)s,
     %(queue_depth)s, %(database_ms)s, %(prefect_ms)s, %(prefect_reachable)s,
     %(network_suspected)s, %(cpu_percent)s, %(memory_bytes)s, %(config_error)s, %(detail)s);

-- latest_vitals --
-- The newest condition of every hub that said something within the last hour.
SELECT DISTINCT ON (hub) hub, recorded_at, status, projects, probes_per_s, cycle_lag_ms,
       queue_depth, database_ms, prefect_ms, prefect_reachable, network_suspected, cpu_percent,
       memory_bytes, config_error, detail
FROM system_health WHERE recorded_at > now() - interval '1 hour'
ORDER BY hub, recorded_at DESC;
