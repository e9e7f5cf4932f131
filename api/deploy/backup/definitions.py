"""The statements that create the tables of a database again, as its own server writes them.

The search_path of the transaction is empty, so PostgreSQL writes each name with its schema.
"""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Definitions:
    before: list[str]
    """Create types, functions, sequences and tables."""
    tables: list[tuple[str, str, list[str]]]
    """Schema, name and columns of each table, without generated columns."""
    after: list[str]
    """Create the rest, once the rows are inserted: COPY refuses tables with row security."""
    left_out: list[str]
    """What the dump lacks: `the view public.monthly`."""


def _own(catalog: str, oid: str) -> str:
    """A condition: the object is no part of an extension, which creates it."""
    return f"""NOT EXISTS (SELECT FROM pg_depend part WHERE part.classid = '{catalog}'::regclass
        AND part.objid = {oid} AND part.deptype = 'e')"""


# In the queries, $1 are the oids of the schemas.
_IS_TABLE = f"""c.relnamespace = ANY($1) AND c.relkind = 'r' AND NOT c.relispartition
    AND NOT EXISTS (SELECT FROM pg_inherits WHERE c.oid IN (inhrelid, inhparent))
    AND {_own("pg_class", "c.oid")}"""

TABLES = f"SELECT c.oid::regclass::text FROM pg_class c WHERE {_IS_TABLE} ORDER BY c.oid"

_OF_TABLES = f"SELECT c.oid FROM pg_class c WHERE {_IS_TABLE}"

# Those that a definition refers to. Others, such as pg_stat_statements, only an administrator can create.
_EXTENSIONS = f"""
WITH definitions AS (
    SELECT 'pg_class'::regclass AS catalog, oid FROM pg_class WHERE oid IN ({_OF_TABLES})
    UNION ALL SELECT 'pg_class'::regclass, indexrelid FROM pg_index WHERE indrelid IN ({_OF_TABLES})
    UNION ALL SELECT 'pg_attrdef'::regclass, oid FROM pg_attrdef WHERE adrelid IN ({_OF_TABLES})
    UNION ALL SELECT 'pg_constraint'::regclass, oid FROM pg_constraint WHERE conrelid IN ({_OF_TABLES})
    UNION ALL SELECT 'pg_policy'::regclass, oid FROM pg_policy WHERE polrelid IN ({_OF_TABLES})
    UNION ALL SELECT 'pg_trigger'::regclass, oid FROM pg_trigger WHERE tgrelid IN ({_OF_TABLES})
)
SELECT DISTINCT format('CREATE EXTENSION IF NOT EXISTS %I SCHEMA %s', extname, extnamespace::regnamespace)
  FROM definitions d
  JOIN pg_depend used ON used.classid = d.catalog AND used.objid = d.oid
  JOIN pg_depend part ON part.classid = used.refclassid AND part.objid = used.refobjid AND part.deptype = 'e'
  JOIN pg_extension e ON e.oid = part.refobjid
"""

_ENUMS = f"""
SELECT format('CREATE TYPE %s AS ENUM (%s)', t.oid::regtype,
              string_agg(quote_literal(enumlabel), ', ' ORDER BY enumsortorder))
  FROM pg_type t JOIN pg_enum ON enumtypid = t.oid
 WHERE t.typnamespace = ANY($1) AND {_own("pg_type", "t.oid")}
 GROUP BY t.oid ORDER BY t.oid
"""

# Functions are created before the tables, so their arguments must not be rows of tables.
_IS_FUNCTION = f"""p.pronamespace = ANY($1) AND p.prokind IN ('f', 'p') AND {_own("pg_proc", "p.oid")}
    AND p.prosqlbody IS NULL AND NOT EXISTS (
        SELECT FROM unnest(coalesce(p.proallargtypes, p.proargtypes::oid[]) || p.prorettype) argument
          JOIN pg_type t ON t.oid = argument LEFT JOIN pg_type element ON element.oid = t.typelem
         WHERE t.typtype NOT IN ('b', 'e', 'p') OR element.typtype NOT IN ('b', 'e', 'p'))"""

_FUNCTIONS = f"SELECT pg_get_functiondef(p.oid) FROM pg_proc p WHERE {_IS_FUNCTION} ORDER BY p.oid"

_SEQUENCE_OPTIONS = """format('INCREMENT BY %s MINVALUE %s MAXVALUE %s START WITH %s CACHE %s%s',
    seqincrement, seqmin, seqmax, seqstart, seqcache, CASE WHEN seqcycle THEN ' CYCLE' ELSE '' END)"""

# deptype: `i` for the sequence of an identity column, `a` for one that is dropped with its column.
_SEQUENCES = f"""
SELECT c.oid::regclass::text AS name, coalesce(d.deptype = 'i', false) AS is_identity,
       format('CREATE SEQUENCE %s AS %s %s', c.oid::regclass, seqtypid::regtype, {_SEQUENCE_OPTIONS})
           AS statement,
       'ALTER SEQUENCE ' || c.oid::regclass
           || ' OWNED BY ' || attrelid::regclass || '.' || quote_ident(attname) AS owned_by
  FROM pg_class c JOIN pg_sequence ON seqrelid = c.oid
  LEFT JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype IN ('a', 'i')
       AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0
  LEFT JOIN pg_attribute ON attrelid = d.refobjid AND attnum = d.refobjsubid
 WHERE c.relnamespace = ANY($1) AND {_own("pg_class", "c.oid")}
   AND (d.refobjid IS NULL OR d.refobjid IN ({_OF_TABLES}))
 ORDER BY c.oid
"""

_IDENTITY = f"""
SELECT format('GENERATED %s AS IDENTITY (SEQUENCE NAME %s %s)',
              CASE a.attidentity WHEN 'a' THEN 'ALWAYS' ELSE 'BY DEFAULT' END,
              seqrelid::regclass, {_SEQUENCE_OPTIONS})
  FROM pg_depend JOIN pg_sequence ON seqrelid = objid
 WHERE classid = 'pg_class'::regclass AND refclassid = 'pg_class'::regclass AND deptype = 'i'
   AND refobjid = a.attrelid AND refobjsubid = a.attnum
"""

_COLUMNS = f"""
SELECT string_agg(concat_ws(' ', quote_ident(attname), format_type(atttypid, atttypmod),
           CASE WHEN attcollation <> typcollation THEN 'COLLATE ' || attcollation::regcollation END,
           CASE WHEN attgenerated <> '' THEN format('GENERATED ALWAYS AS (%s) %s',
                     pg_get_expr(adbin, adrelid), CASE attgenerated WHEN 's' THEN 'STORED' ELSE 'VIRTUAL' END)
                WHEN attidentity <> '' THEN ({_IDENTITY})
                ELSE 'DEFAULT ' || pg_get_expr(adbin, adrelid) END,
           CASE WHEN attnotnull THEN 'NOT NULL' END), ', ' ORDER BY attnum)
  FROM pg_attribute a JOIN pg_type t ON t.oid = atttypid
  LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
 WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped
"""

_TABLES = f"""
SELECT nspname AS schema, c.relname AS name,
       ARRAY(SELECT attname::text FROM pg_attribute
              WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
              ORDER BY attnum) AS columns,
       format('CREATE %sTABLE %s (%s)%s', CASE c.relpersistence WHEN 'u' THEN 'UNLOGGED ' END,
              c.oid::regclass, ({_COLUMNS}), ' WITH (' || array_to_string(c.reloptions, ', ') || ')')
           AS statement
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE {_IS_TABLE} ORDER BY c.oid
"""

# PostgreSQL 18 also lists NOT NULL (contype n), which is part of the column.
_CONSTRAINTS = f"""
SELECT format('ALTER TABLE %s ADD CONSTRAINT %I %s', conrelid::regclass, conname, pg_get_constraintdef(oid))
  FROM pg_constraint WHERE conrelid IN ({_OF_TABLES}) AND contype IN ('p', 'u', 'x', 'c', 'f')
 ORDER BY contype = 'f', oid
"""

_INDEXES = f"""
SELECT pg_get_indexdef(indexrelid) FROM pg_index
 WHERE indrelid IN ({_OF_TABLES}) AND indisvalid AND NOT EXISTS (
       SELECT FROM pg_constraint WHERE conindid = indexrelid AND contype IN ('p', 'u', 'x'))
 ORDER BY indexrelid
"""

# By what logical replication identifies the rows of a table, if it is not the primary key.
_REPLICA_IDENTITIES = f"""
SELECT format('ALTER TABLE %s REPLICA IDENTITY %s', c.oid::regclass,
              CASE c.relreplident WHEN 'f' THEN 'FULL' WHEN 'n' THEN 'NOTHING'
                                ELSE format('USING INDEX %I', i.relname) END)
  FROM pg_class c
  LEFT JOIN pg_index ON indrelid = c.oid AND indisreplident
  LEFT JOIN pg_class i ON i.oid = indexrelid
 WHERE {_IS_TABLE} AND (c.relreplident IN ('f', 'n') OR c.relreplident = 'i' AND i.oid IS NOT NULL)
 ORDER BY c.oid
"""

_COMMENTS = f"""
SELECT CASE WHEN objsubid = 0 THEN format('COMMENT ON TABLE %s IS %L', objoid::regclass, description)
            ELSE format('COMMENT ON COLUMN %s.%I IS %L', attrelid::regclass, attname, description) END
  FROM pg_description LEFT JOIN pg_attribute ON attrelid = objoid AND attnum = objsubid
 WHERE classoid = 'pg_class'::regclass AND objoid IN ({_OF_TABLES}) ORDER BY objoid, objsubid
"""

_TRIGGERS = f"""
SELECT pg_get_triggerdef(oid) || CASE tgenabled WHEN 'O' THEN '' ELSE format('; ALTER TABLE %s %s TRIGGER %I',
           tgrelid::regclass, CASE tgenabled WHEN 'D' THEN 'DISABLE' WHEN 'A' THEN 'ENABLE ALWAYS'
                                             ELSE 'ENABLE REPLICA' END, tgname) END
  FROM pg_trigger WHERE tgrelid IN ({_OF_TABLES}) AND NOT tgisinternal ORDER BY oid
"""

_ROW_SECURITY = f"""
SELECT format('ALTER TABLE %s %s ROW LEVEL SECURITY', c.oid::regclass, action)
  FROM pg_class c CROSS JOIN LATERAL (VALUES ('ENABLE', relrowsecurity), ('FORCE', relforcerowsecurity))
       AS actions (action, is_on)
 WHERE is_on AND {_IS_TABLE} ORDER BY c.oid, action
"""

_POLICIES = f"""
SELECT format('CREATE POLICY %I ON %s AS %s FOR %s TO %s', polname, polrelid::regclass,
           CASE WHEN polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END,
           CASE polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE'
                       WHEN 'd' THEN 'DELETE' ELSE 'ALL' END,
           (SELECT string_agg(CASE role WHEN 0 THEN 'PUBLIC' ELSE role::regrole::text END, ', ')
              FROM unnest(polroles) role))
       || coalesce(' USING (' || pg_get_expr(polqual, polrelid) || ')', '')
       || coalesce(' WITH CHECK (' || pg_get_expr(polwithcheck, polrelid) || ')', '')
  FROM pg_policy WHERE polrelid IN ({_OF_TABLES}) ORDER BY oid
"""

_LEFT_OUT = f"""
SELECT format(kind, c.oid::regclass) FROM pg_class c
  JOIN (VALUES ('v', 'the view %s'), ('m', 'the materialized view %s'), ('f', 'the foreign table %s'),
               ('p', 'the partitioned table %s'), ('r', 'the table %s, a partition or a parent'),
               ('c', 'the type %s'))
       AS kinds (relkind, kind) ON kinds.relkind = c.relkind::text
 WHERE c.relnamespace = ANY($1) AND {_own("pg_class", "c.oid")} AND NOT ({_IS_TABLE})
UNION ALL
SELECT 'the function ' || p.oid::regprocedure FROM pg_proc p
 WHERE p.pronamespace = ANY($1) AND {_own("pg_proc", "p.oid")} AND NOT ({_IS_FUNCTION})
UNION ALL
SELECT CASE typtype WHEN 'd' THEN 'the domain ' ELSE 'the type ' END || t.oid::regtype FROM pg_type t
 WHERE t.typnamespace = ANY($1) AND t.typtype IN ('d', 'r') AND {_own("pg_type", "t.oid")}
UNION ALL
SELECT format('the rule %I of %s', rulename, ev_class::regclass) FROM pg_rewrite
 WHERE ev_class IN ({_OF_TABLES})
UNION ALL
SELECT format('the rows of %s that its policies hide', c.oid::regclass) FROM pg_class c
 WHERE {_IS_TABLE} AND row_security_active(c.oid) AND NOT EXISTS (
       SELECT FROM pg_policy
        WHERE polrelid = c.oid AND pg_get_expr(polqual, polrelid) LIKE '%gatehouse.scope%')
UNION ALL
SELECT DISTINCT format('the privileges of %s on %s', coalesce(nullif(grantee, 0)::regrole::text, 'PUBLIC'),
                       c.oid::regclass)
  FROM pg_class c CROSS JOIN LATERAL aclexplode(relacl) WHERE {_IS_TABLE} AND grantee <> relowner
"""


async def read_definitions(connection: Any, schemas: list[int]) -> Definitions:
    """The definitions of the ordinary tables of `schemas`, which are oids, in the open transaction."""

    async def read(query: str) -> list[str]:
        return [row[0] for row in await connection.fetch(query, schemas)]

    sequences = await connection.fetch(_SEQUENCES, schemas)
    tables = await connection.fetch(_TABLES, schemas)
    return Definitions(
        before=[
            *await read(_EXTENSIONS),
            *await read(_ENUMS),
            *await read(_FUNCTIONS),
            *[one["statement"] for one in sequences if not one["is_identity"]],
            *[one["statement"] for one in tables],
        ],
        tables=[(one["schema"], one["name"], one["columns"]) for one in tables],
        after=[
            *[one["owned_by"] for one in sequences if one["owned_by"] and not one["is_identity"]],
            *[await _set_value(connection, one["name"]) for one in sequences],
            *await read(_CONSTRAINTS),
            *await read(_INDEXES),
            *await read(_REPLICA_IDENTITIES),
            *await read(_COMMENTS),
            *await read(_TRIGGERS),
            *await read(_POLICIES),
            *await read(_ROW_SECURITY),
        ],
        left_out=await read(_LEFT_OUT),
    )


async def _set_value(connection: Any, sequence: str) -> str:
    return await connection.fetchval(
        f"SELECT format('SELECT setval(%L, %s, %L)', $1::text, last_value, is_called) FROM {sequence}",
        sequence,
    )
