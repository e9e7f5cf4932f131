"""Changes of the types of columns that views, rules, policies, triggers, functions or expressions use.

PostgreSQL refuses them, or does not convert the expression of an index. So the views and others are dropped
before and created again after, in the same transaction, which hides it from other sessions.
"""

import re
from collections.abc import Sequence

from api.deploy.migrations.history import array
from api.deploy.migrations.object_definitions import FUNCTION
from api.deploy.migrations.retained_data import REFUSED

_ALTERED_TABLE = re.compile(r'\bALTER TABLE (?:IF EXISTS )?"?(\w+)"?([^;]*)', re.I)
_CHANGED_TYPE = re.compile(r'\bALTER COLUMN "?(\w+)"? (?:SET DATA )?TYPE\b', re.I)


def changed_columns(sql: str) -> list[str]:
    """The columns whose types `sql` changes, as `table.column`."""
    return [
        f"{table}.{column}"
        for table, actions in _ALTERED_TABLE.findall(sql)
        for column in _CHANGED_TYPE.findall(actions)
    ]


def allow_type_changes(sql: str) -> str:
    """`sql`, between statements that drop what uses the columns and create it again.

    Run it in a transaction, after `CREATE_FUNCTION`; it refuses if something cannot be created again.
    """
    columns = changed_columns(sql)
    if not columns:
        return sql
    end = "" if sql.rstrip().endswith(";") else ";"
    return f"{drop_users(columns)}\n{sql.strip()}{end}\n{_CREATE_AGAIN}"


def drop_users(columns: Sequence[str]) -> str:
    """Drop what uses `columns`, and list all that is gone in the table `gatehouse_dropped`.

    Run it in a transaction, after `CREATE_FUNCTION`. It refuses to drop what belongs to another role.
    """
    return _DROP_USERS.replace("@COLUMNS@", array(columns))


FORGET_PRESENT = f"""\
DELETE FROM gatehouse_dropped AS before USING {FUNCTION}() AS after
 WHERE after.kind = before.kind AND after.relation = before.relation AND after.name = before.name;"""

_DROP_USERS = f"""\
DROP TABLE IF EXISTS pg_temp.gatehouse_dropped;
CREATE TEMP TABLE gatehouse_dropped ON COMMIT DROP AS SELECT * FROM {FUNCTION}();
DO $$
DECLARE
    dropped text;
BEGIN
    LOOP
        -- Concatenated, because a null makes the whole null; in format it does not.
        SELECT coalesce(
                   CASE v.relkind WHEN 'v' THEN 'DROP VIEW ' WHEN 'm' THEN 'DROP MATERIALIZED VIEW ' END
                       || v.oid::regclass || ' CASCADE',
                   'DROP RULE ' || quote_ident(w.rulename) || ' ON ' || w.ev_class::regclass,
                   'DROP TRIGGER ' || quote_ident(t.tgname) || ' ON ' || t.tgrelid::regclass,
                   'DROP POLICY ' || quote_ident(p.polname) || ' ON ' || p.polrelid::regclass,
                   'DROP ROUTINE ' || f.oid::regprocedure || ' CASCADE',
                   'DROP INDEX ' || i.indexrelid::regclass,
                   'ALTER TABLE ' || g.attrelid::regclass || ' DROP COLUMN ' || quote_ident(g.attname)
                       || ' CASCADE')
          INTO dropped
          FROM unnest(@COLUMNS@) AS listed
          JOIN pg_attribute a ON a.attrelid = to_regclass(split_part(listed, '.', 1))
           AND a.attname = split_part(listed, '.', 2)
          JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = a.attrelid
           AND d.refobjsubid = a.attnum AND d.deptype IN ('n', 'a')
          LEFT JOIN pg_rewrite w ON d.classid = 'pg_rewrite'::regclass AND w.oid = d.objid
          LEFT JOIN pg_class v ON v.oid = w.ev_class AND v.relkind IN ('v', 'm')
          LEFT JOIN pg_trigger t ON d.classid = 'pg_trigger'::regclass AND t.oid = d.objid
           AND NOT t.tgisinternal
          LEFT JOIN pg_policy p ON d.classid = 'pg_policy'::regclass AND p.oid = d.objid
          LEFT JOIN pg_proc f ON d.classid = 'pg_proc'::regclass AND f.oid = d.objid
          LEFT JOIN pg_index i ON d.classid = 'pg_class'::regclass AND i.indexrelid = d.objid
           AND coalesce(i.indexprs, i.indpred) IS NOT NULL
           AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = i.indexrelid)
          LEFT JOIN pg_attrdef e ON d.classid = 'pg_attrdef'::regclass AND e.oid = d.objid
          LEFT JOIN pg_attribute g ON g.attrelid = coalesce(e.adrelid, d.objid) AND g.attgenerated <> ''
           AND g.attnum = coalesce(
               e.adnum, CASE WHEN d.classid = 'pg_class'::regclass THEN d.objsubid END)
           AND g.attnum > 0
         WHERE coalesce(w.oid, t.oid, p.oid, f.oid, i.indexrelid, g.attrelid) IS NOT NULL
         LIMIT 1;
        EXIT WHEN dropped IS NULL;
        EXECUTE dropped;
    END LOOP;
EXCEPTION WHEN insufficient_privilege THEN
    RAISE EXCEPTION USING ERRCODE = '{REFUSED}', MESSAGE = format(
        'the type of a column changes, and this role may not drop what uses it (%s); first run, as the'
        ' owner: %s', SQLERRM, dropped);
END $$;
{FORGET_PRESENT}"""


_CREATE_AGAIN = f"""\
DO $$
DECLARE
    one record;
    statement text;
    progress boolean;
    problem text;
BEGIN
    LOOP
        progress := false;
        FOR one IN SELECT ctid AS row, * FROM gatehouse_dropped ORDER BY position, relation, name LOOP
            BEGIN
                FOREACH statement IN ARRAY one.statements LOOP
                    EXECUTE statement;
                END LOOP;
                DELETE FROM gatehouse_dropped WHERE ctid = one.row;
                progress := true;
            EXCEPTION WHEN OTHERS THEN
                problem := format('%s %s (%s)', one.kind, one.name,
                                  CASE WHEN one.statements IS NULL THEN one.advice ELSE SQLERRM END);
            END;
        END LOOP;
        EXIT WHEN NOT progress;
    END LOOP;
    IF EXISTS (SELECT FROM gatehouse_dropped) THEN
        RAISE EXCEPTION USING ERRCODE = '{REFUSED}', MESSAGE = format(
            'the type of a column changes, and %s uses it, which this role cannot create again; drop it'
            ' first, and create it afterwards', regexp_replace(problem, '\\s+', ' ', 'g'));
    END IF;
END $$;"""
