-- Roles belong to the cluster, not to the database: another store may have made them already.
-- portreeve_owner owns everything and runs what agents call, so that nothing of it runs as a superuser.
DO $$
DECLARE
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['portreeve_owner', 'portreeve_agent', 'portreeve_auditor'] LOOP
        IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = wanted) THEN
            EXECUTE pg_catalog.format('CREATE ROLE %I NOLOGIN', wanted);
        END IF;
    END LOOP;
    -- An administrator who is no superuser acts as the owner by a grant to itself. Since version 16 only the one who made
    -- the role may.
    BEGIN
        SET LOCAL ROLE portreeve_owner;
        RESET ROLE;
    EXCEPTION WHEN insufficient_privilege THEN
        wanted := pg_catalog.format('GRANT portreeve_owner TO %I', current_user);
        BEGIN
            EXECUTE wanted;
        EXCEPTION WHEN insufficient_privilege THEN
            RAISE insufficient_privilege
                USING MESSAGE = 'the role portreeve_owner is another administrator''s, who has to say ' || wanted;
        END;
    END;
END
$$;
CREATE SCHEMA IF NOT EXISTS portreeve AUTHORIZATION portreeve_owner;
SET LOCAL ROLE portreeve_owner;
CREATE TABLE IF NOT EXISTS portreeve.schema_version (
    version int PRIMARY KEY,
    applied timestamptz NOT NULL DEFAULT now()
);
