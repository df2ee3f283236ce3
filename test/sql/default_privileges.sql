/*
 * What an administrator's default privileges give away of a new extension: the
 * tables and views of spotify, as they say; no secret and no function.
 */
CREATE ROLE regress_spotify_reader;
ALTER DEFAULT PRIVILEGES GRANT ALL ON SCHEMAS TO regress_spotify_reader WITH GRANT OPTION;
ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO regress_spotify_reader WITH GRANT OPTION;
ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC;
ALTER DEFAULT PRIVILEGES GRANT ALL ON SEQUENCES TO regress_spotify_reader;
ALTER DEFAULT PRIVILEGES GRANT ALL ON ROUTINES TO regress_spotify_reader WITH GRANT OPTION;
CREATE EXTENSION spotify_etl;

CREATE TEMP VIEW grants AS
SELECT pg_describe_object(object.classid, object.objid, 0) AS object,
       CASE privilege.grantee WHEN 0 THEN 'PUBLIC'
                              ELSE privilege.grantee::regrole::text
       END AS grantee,
       privilege.privilege_type
  FROM (SELECT 'pg_namespace'::regclass AS classid, oid AS objid, nspowner AS owner, nspacl AS acl
          FROM pg_namespace
         WHERE nspname LIKE 'spotify%'
        UNION ALL
        SELECT 'pg_class'::regclass, oid, relowner, relacl
          FROM pg_class
         WHERE relnamespace IN ('spotify'::regnamespace, 'spotify_private'::regnamespace)
        UNION ALL
        SELECT 'pg_proc'::regclass, oid, proowner, COALESCE(proacl, acldefault('f', proowner))
          FROM pg_proc
         WHERE proname LIKE 'spotify\_%') AS object,
       aclexplode(object.acl) AS privilege
 WHERE privilege.grantee <> object.owner;

-- of what is private, and of functions: nothing
SELECT object, grantee, privilege_type
  FROM grants
 WHERE object !~ '(schema|table|view|sequence) spotify(\.|$)'
 ORDER BY object COLLATE "C", grantee, privilege_type;

-- of the rest: what the defaults say
SELECT grantee,
       privilege_type,
       count(*) > 20 AS is_on_tables
  FROM grants
 WHERE object ~ '(table|view) spotify\.'
   AND privilege_type IN ('SELECT', 'INSERT')
 GROUP BY grantee, privilege_type
 ORDER BY grantee, privilege_type;

SET ROLE regress_spotify_reader;
\set VERBOSITY sqlstate
SELECT count(*) FROM spotify.accounts;
SELECT count(*) FROM spotify_private.credentials;
SELECT spotify_set_account('id');
SELECT spotify_forget_account('default');
CALL spotify_sync_all();
\set VERBOSITY default
RESET ROLE;

DROP VIEW grants;
DROP EXTENSION spotify_etl;
ALTER DEFAULT PRIVILEGES REVOKE ALL ON SCHEMAS FROM regress_spotify_reader;
ALTER DEFAULT PRIVILEGES REVOKE ALL ON TABLES FROM regress_spotify_reader, PUBLIC;
ALTER DEFAULT PRIVILEGES REVOKE ALL ON SEQUENCES FROM regress_spotify_reader;
ALTER DEFAULT PRIVILEGES REVOKE ALL ON ROUTINES FROM regress_spotify_reader;
DROP ROLE regress_spotify_reader;
