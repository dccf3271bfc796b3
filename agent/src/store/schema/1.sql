-- The records of all hosts. Run as portreeve_owner.

GRANT USAGE ON SCHEMA portreeve TO portreeve_agent, portreeve_auditor;

CREATE TABLE portreeve.boot (
    boot uuid PRIMARY KEY,
    -- The partition of its records: the day inside the boot's id, so that a batch that comes again finds the rows
    -- of the first time. Kept here, because a host whose clock is wrong gets the day of its first arrival.
    day date NOT NULL,
    -- Who may add to it: the role that it was first shipped by.
    agent text NOT NULL,
    registered timestamptz NOT NULL DEFAULT now(),
    host text,
    machine text,
    kernel text,
    version text,
    -- What its signatures verify with, as it was when the boot first arrived. Never changed by an agent.
    public_key bytea CHECK (octet_length(public_key) = 32),
    started timestamptz
);
COMMENT ON TABLE portreeve.boot IS 'One life of the daemon on a host.';

CREATE TABLE portreeve.record (
    day date NOT NULL,
    boot uuid NOT NULL,
    lane int NOT NULL CHECK (lane >= 0),
    sequence bigint NOT NULL CHECK (sequence >= 0),
    kind text NOT NULL,
    session uuid,
    session_sequence bigint,
    wall timestamptz NOT NULL,
    -- What the chain runs over, as it stands in the host's segment.
    header bytea NOT NULL CHECK (octet_length(header) BETWEEN 1 AND 256),
    -- NULL once it was erased; the header keeps its digest and length.
    body bytea,
    -- From here on: what the body says, for queries. `portreeve audit verify` holds it to the body.
    uid bigint,
    username text,
    executable text,
    unit text,
    resource text,
    database text,
    role text,
    -- The statement (by its session_sequence) that the record tells of.
    statement bigint,
    protocol text,
    query text,
    decision text,
    rule text,
    relations text[],
    request text,
    outcome text,
    reviewer text,
    reason text,
    tag text,
    rows bigint,
    sqlstate text,
    duration_us bigint,
    PRIMARY KEY (day, boot, lane, sequence)
) PARTITION BY RANGE (day);
COMMENT ON TABLE portreeve.record IS 'One entry of evidence: its own bytes, and columns beside them for queries.';

CREATE INDEX record_session ON portreeve.record (session, session_sequence) WHERE session IS NOT NULL;
CREATE INDEX record_started ON portreeve.record (wall) WHERE kind = 'session-start';
CREATE INDEX record_relations ON portreeve.record USING gin (relations) WHERE relations IS NOT NULL;

-- A record that came for a place that another one has. One of the two is not what was written: both are kept.
CREATE TABLE portreeve.conflict (
    boot uuid NOT NULL,
    lane int NOT NULL,
    sequence bigint NOT NULL,
    header bytea NOT NULL CHECK (octet_length(header) BETWEEN 1 AND 256),
    body bytea,
    agent text NOT NULL,
    arrived timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (boot, lane, sequence, header)
);
COMMENT ON TABLE portreeve.conflict IS 'Records that came for a place that another record has.';

CREATE VIEW portreeve.session AS
    SELECT s.session, s.wall AS started, b.host, s.username, s.uid, s.executable, s.unit, s.resource, s.database,
           s.role, e.wall AS ended, e.reason, s.boot
    FROM portreeve.record s
    JOIN portreeve.boot b ON b.boot = s.boot
    LEFT JOIN portreeve.record e
        ON e.day = s.day AND e.boot = s.boot AND e.session = s.session AND e.kind = 'session-end'
    WHERE s.kind = 'session-start';

CREATE VIEW portreeve.statement AS
    SELECT q.session, q.session_sequence AS statement, q.wall AS at, q.protocol, q.query,
           coalesce(j.decision, q.decision) AS decision, coalesce(j.rule, q.rule) AS rule, q.relations,
           h.outcome AS hold, h.reviewer, h.reason, e.tag, e.rows, e.sqlstate, e.duration_us, q.boot
    FROM portreeve.record q
    LEFT JOIN LATERAL (
        SELECT r.decision, r.rule FROM portreeve.record r
        WHERE r.session = q.session AND r.statement = q.session_sequence AND r.kind = 'decision'
        ORDER BY r.session_sequence DESC LIMIT 1
    ) j ON true
    LEFT JOIN LATERAL (
        SELECT r.outcome, r.reviewer, r.reason FROM portreeve.record r
        WHERE r.session = q.session AND r.statement = q.session_sequence AND r.kind = 'hold-end'
        ORDER BY r.session_sequence DESC LIMIT 1
    ) h ON true
    LEFT JOIN LATERAL (
        SELECT r.tag, r.rows, r.sqlstate, r.duration_us FROM portreeve.record r
        WHERE r.session = q.session AND r.statement = q.session_sequence AND r.kind = 'statement-end'
        ORDER BY r.session_sequence DESC LIMIT 1
    ) e ON true
    WHERE q.kind = 'statement';

-- What agents may do: these three functions, and nothing else. They run as portreeve_owner; session_user is the
-- role that logged in.

CREATE FUNCTION portreeve.register(
    its_boot uuid, its_host text, its_machine text, its_kernel text, its_version text, its_public_key bytea,
    its_started timestamptz
) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    today date := (now() AT TIME ZONE 'UTC')::date;
    digits text := replace(its_boot::text, '-', '');
    its_day date := today;
    known portreeve.boot;
    partition text;
BEGIN
    IF substr(digits, 13, 1) = '7' THEN
        -- RFC 9562, section 5.7: the first 48 bits are milliseconds since 1970.
        its_day := (timestamp '1970-01-01'
            + (('x' || substr(digits, 1, 12))::bit(48)::bigint / 86400000) * interval '1 day')::date;
    END IF;
    -- Each day is a partition: an agent must not make as many as it likes.
    IF its_day NOT BETWEEN today - 400 AND today + 1 THEN
        its_day := today;
    END IF;
    INSERT INTO portreeve.boot (boot, day, agent, host, machine, kernel, version, public_key, started)
    VALUES (its_boot, its_day, session_user, its_host, its_machine, its_kernel, its_version, its_public_key,
            its_started)
    ON CONFLICT DO NOTHING;
    SELECT * INTO STRICT known FROM portreeve.boot WHERE boot = its_boot;
    IF known.agent <> session_user THEN
        RAISE EXCEPTION 'boot % belongs to the agent %', its_boot, known.agent
            USING ERRCODE = 'insufficient_privilege',
                  HINT = 'Ship with the role that shipped it first, or have an administrator change portreeve.boot.agent.';
    END IF;
    IF known.public_key <> its_public_key THEN
        RAISE EXCEPTION 'boot % is known here with another public key', its_boot
            USING ERRCODE = 'integrity_constraint_violation',
                  HINT = 'Its first segment on the host, or its row in portreeve.boot, was changed.';
    END IF;
    partition := 'record_' || to_char(known.day, 'YYYYMMDD');
    IF to_regclass('portreeve.' || partition) IS NULL THEN
        PERFORM pg_advisory_xact_lock(hashtextextended('portreeve.partition', 0));
        IF to_regclass('portreeve.' || partition) IS NULL THEN
            -- Made beside and attached: PARTITION OF would lock out everybody who reads.
            EXECUTE format('CREATE TABLE portreeve.%I (LIKE portreeve.record INCLUDING ALL)', partition);
            EXECUTE format('ALTER TABLE portreeve.record ATTACH PARTITION portreeve.%I FOR VALUES FROM (%L) TO (%L)',
                           partition, known.day, known.day + 1);
        END IF;
    END IF;
END
$$;

-- Gives the places that another record has; everything else is stored, now or before.
CREATE FUNCTION portreeve.ingest(
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
        relations, request, outcome, reviewer, reason, tag, rows, sqlstate, duration_us)
    SELECT its_day, its_boot, n.lane, n.sequence, n.kind, n.session, n.session_sequence, n.wall, n.header, n.body,
           f.uid, f.username, f.executable, f.unit, f.resource, f.database, f.role, f.statement, f.protocol, f.query,
           f.decision, f.rule, f.relations, f.request, f.outcome, f.reviewer, f.reason, f.tag, f.rows, f.sqlstate,
           f.duration_us
    FROM unnest(lanes, sequences, kinds, sessions, session_sequences, walls, headers, bodies, facts)
        AS n (lane, sequence, kind, session, session_sequence, wall, header, body, facts)
    CROSS JOIN LATERAL jsonb_to_record(n.facts::jsonb) AS f (
        uid bigint, username text, executable text, unit text, resource text, database text, role text,
        statement bigint, protocol text, query text, decision text, rule text, relations text[], request text,
        outcome text, reviewer text, reason text, tag text, rows bigint, sqlstate text, duration_us bigint)
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

-- How far the store has each lane of these boots: the place of the record that comes next.
CREATE FUNCTION portreeve.next_sequences(boots uuid[])
RETURNS TABLE (its_boot uuid, its_lane int, next bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH RECURSIVE lane AS (
        SELECT b.boot, b.day,
               (SELECT min(r.lane) FROM portreeve.record r WHERE r.day = b.day AND r.boot = b.boot) AS lane
        FROM portreeve.boot b
        WHERE b.boot = ANY (boots) AND b.agent = session_user
        UNION ALL
        SELECT l.boot, l.day,
               (SELECT min(r.lane) FROM portreeve.record r
                WHERE r.day = l.day AND r.boot = l.boot AND r.lane > l.lane)
        FROM lane l
        WHERE l.lane IS NOT NULL
    )
    SELECT l.boot, l.lane,
           (SELECT max(r.sequence) + 1 FROM portreeve.record r
            WHERE r.day = l.day AND r.boot = l.boot AND r.lane = l.lane)
    FROM lane l
    WHERE l.lane IS NOT NULL;
$$;

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA portreeve FROM PUBLIC;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA portreeve TO portreeve_agent;
GRANT SELECT ON portreeve.boot, portreeve.record, portreeve.conflict, portreeve.session, portreeve.statement,
    portreeve.schema_version TO portreeve_auditor;
