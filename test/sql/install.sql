/*
 * What CREATE EXTENSION makes: objects, their comments, privileges, and what
 * a dump holds.
 */
CREATE ROLE regress_spotify_stranger;
CREATE EXTENSION spotify_etl;

-- the extension; where extension_destdir says where it is, it is not listed
SELECT extension.extversion = COALESCE(available.default_version,
                                       extension.extversion) AS is_default_version,
       extension.extrelocatable AS is_relocatable,
       extension.extnamespace::regnamespace AS schema
  FROM pg_extension AS extension
  LEFT JOIN pg_available_extensions AS available ON available.name = extension.extname
 WHERE extension.extname = 'spotify_etl';

CREATE TEMP VIEW member AS
SELECT dependency.classid,
       dependency.objid
  FROM pg_depend AS dependency
  JOIN pg_extension AS extension ON extension.oid = dependency.refobjid
 WHERE dependency.refclassid = 'pg_extension'::regclass
   AND dependency.deptype = 'e'
   AND extension.extname = 'spotify_etl';

CREATE TEMP VIEW relation AS
SELECT class.oid,
       class.oid::regclass::text COLLATE "C" AS name,
       class.relkind
  FROM pg_class AS class
  JOIN member ON member.objid = class.oid
 WHERE member.classid = 'pg_class'::regclass;

-- its schemas, tables, views and sequences
SELECT nspname
  FROM pg_namespace
 WHERE oid IN (SELECT objid FROM member WHERE classid = 'pg_namespace'::regclass)
 ORDER BY nspname;

SELECT relkind,
       name
  FROM relation
 WHERE relkind <> 'i'
 ORDER BY relkind, name;

-- their columns
\pset format unaligned
SELECT relation.name AS relation,
       attribute.attname AS column_name,
       format_type(attribute.atttypid, attribute.atttypmod) AS type,
       attribute.attnotnull AS is_not_null,
       pg_get_expr(default_value.adbin, default_value.adrelid) AS default_value
  FROM relation
  JOIN pg_attribute AS attribute ON attribute.attrelid = relation.oid
  LEFT JOIN pg_attrdef AS default_value
         ON default_value.adrelid = attribute.attrelid
        AND default_value.adnum = attribute.attnum
 WHERE relation.relkind IN ('r', 'v')
   AND attribute.attnum > 0
 ORDER BY relation.relkind, relation.name, attribute.attnum;

-- primary keys and foreign keys; every foreign key has an index to search by
SELECT conrelid::regclass::text COLLATE "C" AS relation,
       pg_get_constraintdef(oid) COLLATE "C" AS definition
  FROM pg_constraint
 WHERE conrelid IN (SELECT oid FROM relation)
   AND contype IN ('p', 'f')
 ORDER BY 1, contype DESC, 2;

SELECT foreign_key.conname AS not_indexed
  FROM pg_constraint AS foreign_key
 WHERE foreign_key.conrelid IN (SELECT oid FROM relation)
   AND foreign_key.contype = 'f'
   AND NOT EXISTS
       (SELECT FROM pg_index AS index
         WHERE index.indrelid = foreign_key.conrelid
           AND (index.indkey::int2[])[0:cardinality(foreign_key.conkey) - 1]
               = foreign_key.conkey)
 ORDER BY foreign_key.conname;

-- its functions
\df spotify_*

SELECT proname,
       prosecdef AS is_security_definer,
       provolatile AS volatility,
       proparallel AS parallel,
       proisstrict AS is_strict,
       proconfig AS settings
  FROM pg_proc
 WHERE oid IN (SELECT objid FROM member WHERE classid = 'pg_proc'::regclass)
 ORDER BY proname;

\pset format aligned

-- what has no comment
SELECT pg_describe_object('pg_namespace'::regclass, objid, 0) AS no_comment
  FROM member
 WHERE classid = 'pg_namespace'::regclass
   AND COALESCE(obj_description(objid, 'pg_namespace'), '') = ''
UNION ALL
SELECT pg_describe_object('pg_class'::regclass, oid, 0)
  FROM relation
 WHERE relkind IN ('r', 'v')
   AND COALESCE(obj_description(oid, 'pg_class'), '') = ''
UNION ALL
SELECT pg_describe_object('pg_class'::regclass, attrelid, attnum)
  FROM pg_attribute
  JOIN relation ON relation.oid = pg_attribute.attrelid
 WHERE relation.relkind IN ('r', 'v')
   AND attnum > 0
   AND COALESCE(col_description(attrelid, attnum), '') = ''
UNION ALL
SELECT pg_describe_object('pg_proc'::regclass, objid, 0)
  FROM member
 WHERE classid = 'pg_proc'::regclass
   AND COALESCE(obj_description(objid, 'pg_proc'), '') = ''
UNION ALL
SELECT 'extension ' || extname
  FROM pg_extension
 WHERE extname = 'spotify_etl'
   AND COALESCE(obj_description(oid, 'pg_extension'), '') = '';

LOAD '$libdir/spotify_etl';
SELECT name AS no_description
  FROM pg_settings
 WHERE name LIKE 'spotify\_etl.%'
   AND COALESCE(short_desc, '') = '';

-- what a stranger may do: see that there is a schema spotify, nothing else
SELECT nspname,
       has_schema_privilege('regress_spotify_stranger', oid, 'USAGE') AS usage,
       has_schema_privilege('regress_spotify_stranger', oid, 'CREATE') AS create
  FROM pg_namespace
 WHERE nspname LIKE 'spotify%'
 ORDER BY nspname;

SELECT name AS accessible
  FROM relation
 WHERE CASE
       WHEN relkind IN ('r', 'v')
       THEN has_table_privilege('regress_spotify_stranger', oid,
                                'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')
            OR has_any_column_privilege('regress_spotify_stranger', oid,
                                        'SELECT, INSERT, UPDATE, REFERENCES')
       WHEN relkind = 'S'
       THEN has_sequence_privilege('regress_spotify_stranger', oid,
                                   'USAGE, SELECT, UPDATE')
       END
UNION ALL
SELECT objid::regprocedure::text
  FROM member
 WHERE classid = 'pg_proc'::regclass
   AND has_function_privilege('regress_spotify_stranger', objid, 'EXECUTE');

SET ROLE regress_spotify_stranger;
\set VERBOSITY sqlstate
SELECT spotify_set_account('id');
SELECT spotify_forget_account('default');
SELECT spotify_refresh_token();
SELECT spotify_sync_liked();
SELECT spotify_sync_recently_played();
CALL spotify_sync_all();
SELECT count(*) FROM spotify.accounts;
SELECT count(*) FROM spotify_private.credentials;
\set VERBOSITY default
RESET ROLE;

-- a grant on all tables gives away no secret and no right to write
GRANT SELECT ON ALL TABLES IN SCHEMA spotify TO regress_spotify_stranger;
SELECT name AS not_readable
  FROM relation
 WHERE relkind IN ('r', 'v')
   AND NOT has_table_privilege('regress_spotify_stranger', oid, 'SELECT')
 ORDER BY name;
REVOKE SELECT ON ALL TABLES IN SCHEMA spotify FROM regress_spotify_stranger;

-- what a dump holds, and what it leaves out
SELECT configuration.relation::regclass::text COLLATE "C" AS dumped,
       configuration.condition
  FROM pg_extension AS extension,
       unnest(extension.extconfig, extension.extcondition)
           AS configuration (relation, condition)
 WHERE extension.extname = 'spotify_etl'
 ORDER BY 1;

SELECT name AS not_dumped
  FROM relation
 WHERE relkind IN ('r', 'S')
   AND NOT EXISTS (SELECT
                     FROM pg_extension AS extension
                    WHERE extension.extname = 'spotify_etl'
                      AND relation.oid = ANY (extension.extconfig))
 ORDER BY name;

-- it is not relocatable, its members cannot be dropped, and it goes as a whole
\set VERBOSITY sqlstate
CREATE SCHEMA regress_spotify_elsewhere;
ALTER EXTENSION spotify_etl SET SCHEMA regress_spotify_elsewhere;
DROP TABLE spotify.liked_tracks CASCADE;
DROP SCHEMA spotify CASCADE;
\set VERBOSITY default
DROP SCHEMA regress_spotify_elsewhere;

DROP VIEW relation, member;
DROP EXTENSION spotify_etl;
SELECT nspname AS left_behind
  FROM pg_namespace
 WHERE nspname LIKE 'spotify%'
UNION ALL
SELECT proname
  FROM pg_proc
 WHERE proname LIKE 'spotify%';

DROP ROLE regress_spotify_stranger;
