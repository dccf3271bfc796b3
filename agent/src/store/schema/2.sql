-- More of who: the executable's content, the container, the processes that it came from; and incidents that say who.
-- Records that were here before keep these columns empty.

ALTER TABLE portreeve.record
    -- Hexadecimal.
    ADD COLUMN executable_sha256 text,
    ADD COLUMN container text,
    -- The nearest first, by executable, or by name where that is not known.
    ADD COLUMN ancestors text[],
    -- Where it was meant to connect to: address:port.
    ADD COLUMN destination text;

CREATE OR REPLACE VIEW portreeve.session AS
    SELECT s.session, s.wall AS started, b.host, s.username, s.uid, s.executable, s.unit, s.resource, s.database,
           s.role, e.wall AS ended, e.reason, s.boot, s.executable_sha256, s.container, s.ancestors, s.destination
    FROM portreeve.record s
    JOIN portreeve.boot b ON b.boot = s.boot
    LEFT JOIN portreeve.record e
        ON e.day = s.day AND e.boot = s.boot AND e.session = s.session AND e.kind = 'session-end'
    WHERE s.kind = 'session-start';

CREATE VIEW portreeve.incident AS
    SELECT i.wall AS at, b.host, i.reason, i.username, i.uid, i.executable, i.executable_sha256, i.unit, i.container,
           i.ancestors, i.destination, i.boot
    FROM portreeve.record i
    JOIN portreeve.boot b ON b.boot = i.boot
    WHERE i.kind = 'incident';

-- Gives the places that another record has; everything else is stored, now or before.
CREATE OR REPLACE FUNCTION portreeve.ingest(
    its_boot uuid, lanes int[], sequences bigint[], kinds text[], sessions uuid[], session_sequences bigint[],
    walls timestamptz[], headers bytea[], bodies bytea[], facts text[]
) RETURNS TABLE (taken_lane int, taken_sequence bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    its_day date;
    stored bigint;
BEGIN
    SELECT b.day INTO its_day FROM portreeve.boot b WHERE b.boot = its_boot AND b.agent = session_user;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'boot % is not registered for %', its_boot, session_user
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    INSERT INTO portreeve.record (
        day, boot, lane, sequence, kind, session, session_sequence, wall, header, body,
        uid, username, executable, unit, resource, database, role, statement, protocol, query, decision, rule,
        relations, request, outcome, reviewer, reason, tag, rows, sqlstate, duration_us, executable_sha256, container,
        ancestors, destination)
    SELECT its_day, its_boot, n.lane, n.sequence, n.kind, n.session, n.session_sequence, n.wall, n.header, n.body,
           f.uid, f.username, f.executable, f.unit, f.resource, f.database, f.role, f.statement, f.protocol, f.query,
           f.decision, f.rule, f.relations, f.request, f.outcome, f.reviewer, f.reason, f.tag, f.rows, f.sqlstate,
           f.duration_us, f.executable_sha256, f.container, f.ancestors, f.destination
    FROM unnest(lanes, sequences, kinds, sessions, session_sequences, walls, headers, bodies, facts)
        AS n (lane, sequence, kind, session, session_sequence, wall, header, body, facts)
    CROSS JOIN LATERAL jsonb_to_record(n.facts::jsonb) AS f (
        uid bigint, username text, executable text, unit text, resource text, database text, role text,
        statement bigint, protocol text, query text, decision text, rule text, relations text[], request text,
        outcome text, reviewer text, reason text, tag text, rows bigint, sqlstate text, duration_us bigint,
        executable_sha256 text, container text, ancestors text[], destination text)
    ON CONFLICT DO NOTHING;
    GET DIAGNOSTICS stored = ROW_COUNT;
    IF stored = cardinality(sequences) THEN
        RETURN;
    END IF;
    -- Some were here: as the same records, or not.
    RETURN QUERY
        WITH other AS (
            SELECT n.lane, n.sequence, n.header, n.body
            FROM unnest(lanes, sequences, headers, bodies) AS n (lane, sequence, header, body)
            JOIN portreeve.record r
                ON r.day = its_day AND r.boot = its_boot AND r.lane = n.lane AND r.sequence = n.sequence
            WHERE r.header <> n.header
        ), kept AS (
            INSERT INTO portreeve.conflict (boot, lane, sequence, header, body, agent)
            SELECT its_boot, o.lane, o.sequence, o.header, o.body, session_user FROM other o
            ON CONFLICT DO NOTHING
        )
        SELECT o.lane, o.sequence FROM other o;
END
$$;

GRANT SELECT ON portreeve.incident TO portreeve_auditor;
