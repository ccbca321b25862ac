-- record_decision --
-- Keep what the rules said of an incident, unless they said the same before.
INSERT INTO rule_decisions (hub, incident_id, project, kind, step, reason, rule, rules_version,
                            action, target, details)
SELECT %(hub)s, %(incident_id)s, %(project)s, %(kind)s, %(step)s, %(reason)s, %(rule)s::text,
       %(rules_version)s, %(action)s::text, %(target)s::text, %(details)s
WHERE NOT EXISTS (
    SELECT FROM (SELECT * FROM rule_decisions WHERE incident_id = %(incident_id)s
                 ORDER BY id DESC LIMIT 1) AS last
    WHERE (last.step, last.reason, coalesce(last.rule, ''), coalesce(last.action, ''),
           last.rules_version, last.details ->> 'number')
        = (%(step)s, %(reason)s, coalesce(%(rule)s::text, ''), coalesce(%(action)s::text, ''),
           %(rules_version)s, %(details)s::jsonb ->> 'number'))
RETURNING id;

-- decisions_of_incident --
-- What the rules said of an incident, in order.
SELECT id, decided_at, hub, incident_id, project, kind, step, reason, rule, rules_version,
       action, target, details
FROM rule_decisions WHERE incident_id = %(incident_id)s ORDER BY id;

-- keep_version --
-- Keep what a version of the rules said.
INSERT INTO rule_versions (version, files) VALUES (%(version)s, %(files)s) ON CONFLICT DO NOTHING;
