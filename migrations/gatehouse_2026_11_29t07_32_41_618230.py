from api.deploy.migrations.backfill import Backfill
from api.deploy.migrations.migration import SqlMigration

ID = "2026-11-29T07:32:41:618230"
DESCRIPTION = "Store what beta keys and tenants are searched by."

COLUMNS = """
ALTER TABLE beta_keys ADD COLUMN IF NOT EXISTS "searchText" text;
ALTER TABLE tenants ADD COLUMN IF NOT EXISTS "searchText" text;
"""

# Stored, because lower() of each row took most of the time of a search. By a trigger, so that the old
# version, imports and repairs by hand store it too. `api.domain.search` brings what is searched for into the
# same form. A server may lack the extension unaccent, so the function does not use it: every server finds the
# same. normalize() exists only in UTF-8.
TRIGGERS = """
CREATE OR REPLACE FUNCTION set_search_text() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    source text;
BEGIN
    IF TG_TABLE_NAME = 'beta_keys' THEN
        source := concat_ws(E'\\n', replace(NEW.key, '-', ''), NEW.notes, NEW."recipientEmail");
    ELSE
        source := concat_ws(E'\\n', NEW.nit, NEW."businessName", NEW.email);
    END IF;
    IF octet_length(source) > length(source) AND getdatabaseencoding() = 'UTF8' THEN
        source := regexp_replace(normalize(source, NFKD), '[\\u0300-\\u036f]', '', 'g');
        source := translate(
            lower(source),
            E'øłđðħıŧ\\u2010\\u2011\\u2012\\u2013\\u2014\\u2015\\u2212\\u2019',
            'olddhit-------'''
        );
        source := replace(replace(replace(source, 'ß', 'ss'), 'æ', 'ae'), 'œ', 'oe');
    END IF;
    NEW."searchText" := lower(source);
    RETURN NEW;
END $$;
CREATE OR REPLACE TRIGGER set_search_text BEFORE INSERT OR UPDATE ON beta_keys
    FOR EACH ROW EXECUTE FUNCTION set_search_text();
CREATE OR REPLACE TRIGGER set_search_text BEFORE INSERT OR UPDATE ON tenants
    FOR EACH ROW EXECUTE FUNCTION set_search_text();
"""

BACKWARDS = """
DROP TRIGGER IF EXISTS set_search_text ON beta_keys;
DROP TRIGGER IF EXISTS set_search_text ON tenants;
DROP FUNCTION IF EXISTS set_search_text();
"""

MIGRATION = SqlMigration(
    ID,
    DESCRIPTION,
    forwards=[
        COLUMNS,
        TRIGGERS,
        # The trigger sets the value.
        Backfill("beta_keys", values={"searchText": "''"}, where='"searchText" IS NULL'),
        Backfill("tenants", values={"searchText": "''"}, where='"searchText" IS NULL'),
    ],
    backwards=BACKWARDS,
)
