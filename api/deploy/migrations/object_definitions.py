"""What may be lost with a column, as a query: each object with the statements that create it again.

That is what the owner of a database adds to it: constraints, indexes, grants, comments, triggers, policies,
statistics, views, functions, settings of columns. An object that cannot be created again has no statements.
"""

from api.deploy.migrations.retained_data import SCHEMA

FUNCTION = "pg_temp.gatehouse_objects"

# The names in `gatehouse_undone` are written without the schema, too: a table that moves loses nothing, and a
# view is put back when the table has returned.
_CREATE_FUNCTION = f"""\
CREATE FUNCTION {FUNCTION}() RETURNS TABLE (
    "position" int, kind text, relation text, name text, definition text, statements text[], advice text
) LANGUAGE plpgsql AS $function$
#variable_conflict use_column
DECLARE
    path text := current_setting('search_path');
    undone oid := to_regnamespace('{SCHEMA}');
    schemas text := format('(?<![[:alnum:]_".])(%s|{SCHEMA})\\.',
        regexp_replace(quote_ident(current_schema()), '([^[:alnum:]_])', '\\\\\\1', 'g'));
BEGIN
    PERFORM set_config('search_path', quote_ident(current_schema()) || ', {SCHEMA}', true);
    RETURN QUERY
    WITH spaces AS (
        SELECT oid FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
    ), members AS (
        SELECT classid, objid FROM pg_depend WHERE deptype = 'e'
    ), relations AS (
        SELECT c.*, c.oid::regclass::text AS name,
               CASE c.relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' ELSE 'TABLE' END AS type
          FROM pg_class c
         WHERE c.relnamespace IN (SELECT oid FROM spaces) AND c.relkind IN ('r', 'p', 'f', 'v', 'm')
           -- The tables with retained values, which come and go with them.
           AND NOT (c.relnamespace IS NOT DISTINCT FROM undone
                    AND c.relname ~ '_[0-9]{{20}}|^retained_objects$')
           AND NOT EXISTS (SELECT FROM members WHERE classid = 'pg_class'::regclass AND objid = c.oid)
    ), functions AS (
        SELECT p.*, p.oid::regprocedure::text AS name
          FROM pg_proc p
         WHERE p.pronamespace IN (SELECT oid FROM spaces)
           AND NOT EXISTS (SELECT FROM members WHERE classid = 'pg_proc'::regclass AND objid = p.oid)
    ), constraints AS (
        SELECT k.*, pg_get_constraintdef(k.oid) AS definition,
               k.contype IN ('c', 'f') AND k.convalidated
                   AND pg_get_constraintdef(k.oid) !~ 'NOT ENFORCED$' AS is_valid
          FROM pg_constraint k
         WHERE k.conrelid IN (SELECT oid FROM relations)
           AND k.contype IN ('c', 'f', 'p', 'u', 'x') AND k.conislocal AND k.conparentid = 0
    )
@OBJECTS@
    ORDER BY 1, 3, 4;
    PERFORM set_config('search_path', path, true);
END $function$;"""

_COLUMNS = """\
    SELECT 1, 'column', r.name, a.attname::text, NULL::text,
           CASE WHEN a.attgenerated <> '' THEN ARRAY[format('ALTER TABLE %s ADD COLUMN %I %s GENERATED ALWAYS'
               ' AS (%s) STORED', r.name, a.attname, format_type(a.atttypid, a.atttypmod),
               pg_get_expr(d.adbin, d.adrelid))] END,
           format('ALTER TABLE %s DROP COLUMN %I', r.name, a.attname)
      FROM relations r JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
      LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
     WHERE r.relkind IN ('r', 'p', 'f')
"""

_SETTINGS_OF_COLUMNS = """\
    SELECT 8, 'setting', r.name, format('%I %s', a.attname, setting), NULL,
           ARRAY[format('ALTER %s %s ALTER COLUMN %I %s', r.type, r.name, a.attname, setting)], NULL
      FROM relations r JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
      JOIN pg_type t ON t.oid = a.atttypid
     CROSS JOIN LATERAL (VALUES
           (CASE WHEN a.attstattarget >= 0 THEN 'SET STATISTICS ' || a.attstattarget END),
           -- A server may store other options, which no ALTER TABLE accepts.
           ('SET (' || (SELECT string_agg(one, ', ') FROM unnest(a.attoptions) AS one
                         WHERE one ~ '^n_distinct(_inherited)?=') || ')'),
           (CASE WHEN a.attstorage <> t.typstorage THEN 'SET STORAGE ' || CASE a.attstorage
                WHEN 'p' THEN 'PLAIN' WHEN 'e' THEN 'EXTERNAL' WHEN 'm' THEN 'MAIN' ELSE 'EXTENDED' END END),
           (CASE a.attcompression WHEN 'p' THEN 'SET COMPRESSION pglz'
                WHEN 'l' THEN 'SET COMPRESSION lz4' END)
           ) AS settings (setting)
     WHERE setting IS NOT NULL AND r.relkind <> 'v'
"""

_CONSTRAINTS = """\
    SELECT CASE k.contype WHEN 'f' THEN 3 ELSE 2 END, 'constraint', r.name, k.conname::text, k.definition,
           ARRAY[format('ALTER TABLE %s ADD CONSTRAINT %I %s', r.name, k.conname,
               k.definition || CASE WHEN k.is_valid THEN ' NOT VALID' ELSE '' END)], NULL
      FROM relations r JOIN constraints k ON k.conrelid = r.oid
    UNION ALL
    SELECT 4, 'validation', r.name, k.conname::text, k.definition,
           ARRAY[format('ALTER TABLE %s VALIDATE CONSTRAINT %I', r.name, k.conname)], NULL
      FROM relations r JOIN constraints k ON k.conrelid = r.oid AND k.is_valid
    UNION ALL
    SELECT 4, 'default', r.name, a.attname::text, NULL,
           ARRAY[format('ALTER TABLE %s ALTER COLUMN %I SET DEFAULT %s', r.name, a.attname,
               pg_get_expr(d.adbin, d.adrelid))], NULL
      FROM relations r JOIN pg_attribute a ON a.attrelid = r.oid AND a.attgenerated = ''
      JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
"""

_INDEXES = """\
    SELECT 3, 'index', r.name, x.relname::text, i.indisunique || substr(created, strpos(created, ' ON ')),
           ARRAY[created], NULL
      FROM relations r JOIN pg_index i ON i.indrelid = r.oid JOIN pg_class x ON x.oid = i.indexrelid
     CROSS JOIN LATERAL pg_get_indexdef(i.indexrelid, 0, true) AS created
     WHERE NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid AND k.conrelid = r.oid)
    UNION ALL
    SELECT 8, 'setting', r.name, setting, NULL,
           ARRAY[format('ALTER TABLE %s %s %I', r.name, setting, x.relname)], NULL
      FROM relations r JOIN pg_index i ON i.indrelid = r.oid JOIN pg_class x ON x.oid = i.indexrelid
     CROSS JOIN LATERAL (VALUES (CASE WHEN i.indisclustered THEN 'CLUSTER ON' END),
                                (CASE WHEN i.indisreplident THEN 'REPLICA IDENTITY USING INDEX' END)
           ) AS settings (setting)
     WHERE setting IS NOT NULL AND r.relkind IN ('r', 'p')
    UNION ALL
    SELECT 4, 'statistics', r.name, s.stxname::text, NULL, ARRAY[pg_get_statisticsobjdef(s.oid)], NULL
      FROM relations r JOIN pg_statistic_ext s ON s.stxrelid = r.oid
"""

# A view or function of another role could be dropped with the column, but not created as that role's.
_VIEWS_AND_FUNCTIONS = """\
    SELECT 5, lower(r.type), '', r.name, NULL,
           CASE WHEN pg_has_role(r.relowner, 'MEMBER') AND has_schema_privilege(r.relnamespace, 'CREATE')
           THEN array_remove(ARRAY[view.created,
               CASE WHEN r.relowner <> current_user::regrole
                    THEN format('ALTER %s %s OWNER TO %s', r.type, r.name, r.relowner::regrole) END], NULL)
           END,
           format('DROP %s %s CASCADE', r.type, r.name) || '; to create it again: ' || view.created
      FROM relations r
     CROSS JOIN LATERAL (SELECT format('CREATE %s %s%s AS %s%s', r.type, r.name,
               ' WITH (' || array_to_string(r.reloptions, ', ') || ')',
               btrim(pg_get_viewdef(r.oid), E' ;\\n'),
               CASE WHEN r.relispopulated THEN '' ELSE ' WITH NO DATA' END) AS created) AS view
     WHERE r.relkind IN ('v', 'm')
    UNION ALL
    SELECT 5, CASE f.prokind WHEN 'a' THEN 'aggregate' WHEN 'p' THEN 'procedure' ELSE 'function' END, '',
           f.name, NULL,
           CASE WHEN f.prokind <> 'a' AND pg_has_role(f.proowner, 'MEMBER')
                     AND has_schema_privilege(f.pronamespace, 'CREATE')
           THEN array_remove(ARRAY[pg_get_functiondef(f.oid), CASE WHEN f.proowner <> current_user::regrole
                    THEN format('ALTER ROUTINE %s OWNER TO %s', f.name, f.proowner::regrole) END,
                CASE WHEN f.proacl IS NOT NULL THEN
                    format('REVOKE ALL ON ROUTINE %s FROM PUBLIC', f.name) END], NULL) END,
           format('DROP ROUTINE %s CASCADE', f.name)
      FROM functions f
    UNION ALL
    SELECT 5, 'type', '', t.oid::regtype::text, NULL, NULL, format('DROP TYPE %s CASCADE', t.oid::regtype)
      FROM pg_type t
     WHERE t.typnamespace IN (SELECT oid FROM spaces) AND t.typelem = 0 AND t.typrelid = 0
       AND t.typtype IN ('d', 'e', 'r')
       AND NOT EXISTS (SELECT FROM members WHERE classid = 'pg_type'::regclass AND objid = t.oid)
"""

_TRIGGERS_POLICIES_AND_RULES = """\
    SELECT 6, 'trigger', r.name, t.tgname::text, NULL,
           array_remove(ARRAY[pg_get_triggerdef(t.oid, true), CASE WHEN t.tgenabled <> 'O' THEN
               format('ALTER TABLE %s %s TRIGGER %I', r.name, CASE t.tgenabled WHEN 'D' THEN 'DISABLE'
                      WHEN 'A' THEN 'ENABLE ALWAYS' ELSE 'ENABLE REPLICA' END, t.tgname) END], NULL), NULL
      FROM relations r JOIN pg_trigger t ON t.tgrelid = r.oid
     WHERE NOT t.tgisinternal AND t.tgparentid = 0
    UNION ALL
    SELECT 6, 'policy', r.name, p.polname::text, NULL,
           ARRAY[format('CREATE POLICY %I ON %s%s FOR %s TO %s%s%s', p.polname, r.name,
               CASE WHEN p.polpermissive THEN '' ELSE ' AS RESTRICTIVE' END,
               CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE'
                             WHEN 'd' THEN 'DELETE' ELSE 'ALL' END,
               (SELECT string_agg(CASE role WHEN 0 THEN 'PUBLIC' ELSE role::regrole::text END, ', ')
                  FROM unnest(p.polroles) AS role),
               ' USING (' || pg_get_expr(p.polqual, p.polrelid) || ')',
               ' WITH CHECK (' || pg_get_expr(p.polwithcheck, p.polrelid) || ')')], NULL
      FROM relations r JOIN pg_policy p ON p.polrelid = r.oid
    UNION ALL
    SELECT 6, 'rule', r.name, w.rulename::text, NULL, ARRAY[pg_get_ruledef(w.oid, true)], NULL
      FROM relations r JOIN pg_rewrite w ON w.ev_class = r.oid
     WHERE w.rulename <> '_RETURN'
    UNION ALL
    SELECT 6, 'publication', r.name, p.pubname::text, NULL, NULL,
           format('ALTER PUBLICATION %I DROP TABLE %s', p.pubname, r.name)
      FROM relations r JOIN pg_publication_rel m ON m.prrelid = r.oid
      JOIN pg_publication p ON p.oid = m.prpubid
"""

_GRANTS = """\
    SELECT 7, 'grant', g.relation, format('%s%s to %s%s', g.privilege_type, ' (' || g.attname || ')',
               grantee.name, CASE WHEN g.is_grantable THEN ' with grant option' ELSE '' END), NULL,
           ARRAY[format('GRANT %s%s ON %s %s TO %s%s', g.privilege_type, ' (' || g.attname || ')', g.type,
               g.relation, grantee.name, CASE WHEN g.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)],
           NULL
      FROM (
          SELECT 'TABLE' AS type, r.name AS relation, NULL AS attname, r.relowner AS owner, acl.*
            FROM relations r CROSS JOIN aclexplode(r.relacl) AS acl
          UNION ALL
          SELECT 'TABLE', r.name, quote_ident(a.attname), r.relowner, acl.*
            FROM relations r JOIN pg_attribute a ON a.attrelid = r.oid AND NOT a.attisdropped
           CROSS JOIN aclexplode(a.attacl) AS acl
          UNION ALL
          SELECT 'ROUTINE', f.name, NULL, f.proowner, acl.*
            FROM functions f CROSS JOIN aclexplode(f.proacl) AS acl
      ) AS g
     CROSS JOIN LATERAL (SELECT CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE g.grantee::regrole::text END
           ) AS grantee (name)
     WHERE g.grantee <> g.owner
"""

_COMMENTS = """\
    SELECT 9, 'comment', '', o.type || ' ' || o.identity, NULL,
           ARRAY[format('COMMENT ON %s %s IS %L', o.type, o.identity, d.description)], NULL
      FROM pg_description d
     CROSS JOIN LATERAL (
          SELECT CASE WHEN type LIKE '% column' THEN 'COLUMN'
                      WHEN type = 'statistics object' THEN 'STATISTICS'
                      WHEN type = 'table constraint' THEN 'CONSTRAINT' ELSE upper(type) END,
                 regexp_replace(identity, schemas, '', 'g')
            FROM pg_identify_object(d.classoid, d.objoid, d.objsubid)
           WHERE type ~ ' column$|^(table constraint|index|statistics object|trigger|policy|rule)$'
              OR type ~ '^((materialized )?view|function|procedure)$'
     ) AS o (type, identity)
     WHERE d.objoid >= 16384
"""

_OBJECTS = "    UNION ALL\n".join(
    [
        _COLUMNS,
        _SETTINGS_OF_COLUMNS,
        _CONSTRAINTS,
        _INDEXES,
        _VIEWS_AND_FUNCTIONS,
        _TRIGGERS_POLICIES_AND_RULES,
        _GRANTS,
        _COMMENTS,
    ]
)

# PostgreSQL plans the query once for each function, so the function is created once for each session.
CREATE_FUNCTION = f"""\
DO $create$ BEGIN
    IF to_regprocedure('{FUNCTION}()') IS NULL THEN
{_CREATE_FUNCTION.replace("@OBJECTS@", _OBJECTS)}
    END IF;
END $create$;"""
"""Creates the function that returns the objects. It lasts as long as the session."""
