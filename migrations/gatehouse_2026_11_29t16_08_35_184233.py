from api.deploy.migrations.backfill import Backfill
from api.deploy.migrations.migration import SqlMigration

ID = "2026-11-29T16:08:35:184233"
DESCRIPTION = "Find beta keys and tenants by the beginnings of words."

# One row for each word of a beta key or tenant, in the order of the listings. "id" is that of the key or
# tenant. It is no foreign key, and no key is unique: checking them for each word made issuing keys twice as
# slow, and a word that is there twice, as after a dump is restored into tables with triggers, does no harm.
# COLLATE "C", because a prefix is a range only in that order. Row security admits the comparisons of texts
# to an index, but no LIKE and no full-text search. As a subquery, the policy is checked once for a statement,
# not once for a word.
WORDS = """
ALTER TABLE beta_keys ADD COLUMN IF NOT EXISTS "searchWords" text;
ALTER TABLE tenants ADD COLUMN IF NOT EXISTS "searchWords" text;
CREATE TABLE IF NOT EXISTS beta_key_words (
    word text COLLATE "C" NOT NULL,
    "createdAt" timestamptz NOT NULL,
    id uuid NOT NULL
);
CREATE TABLE IF NOT EXISTS tenant_words (
    word text COLLATE "C" NOT NULL,
    "createdAt" timestamptz NOT NULL,
    id uuid NOT NULL
);
CREATE INDEX IF NOT EXISTS beta_key_words_word ON beta_key_words (word, "createdAt", id);
CREATE INDEX IF NOT EXISTS tenant_words_word ON tenant_words (word, "createdAt", id);
ALTER TABLE beta_key_words REPLICA IDENTITY FULL;
ALTER TABLE tenant_words REPLICA IDENTITY FULL;
ALTER TABLE beta_key_words ENABLE ROW LEVEL SECURITY;
ALTER TABLE beta_key_words FORCE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS scope ON beta_key_words;
CREATE POLICY scope ON beta_key_words
    USING ((SELECT current_setting('gatehouse.scope', true)) = 'platform');
ALTER TABLE tenant_words ENABLE ROW LEVEL SECURITY;
ALTER TABLE tenant_words FORCE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS scope ON tenant_words;
CREATE POLICY scope ON tenant_words
    USING ((SELECT current_setting('gatehouse.scope', true)) = 'platform');
"""

# PostgreSQL takes an equality with a setting to be true for one row in 200, and then sorts all tenants where
# it could read the newest in the order of their index. It takes a coalesce to be true for every second row.
VISIBLE = """
DROP POLICY IF EXISTS scope ON tenants;
CREATE POLICY scope ON tenants USING (
    coalesce(current_setting('gatehouse.scope', true) = 'platform', false)
    OR id = nullif(current_setting('gatehouse.tenant_id', true), '')::uuid
);
"""

# `api.domain.search.typed` brings a search into the same form. "searchWords" holds the words with a space
# before and after each. A word begins after white space and after punctuation, and goes on to the next white
# space: `ana.perez@example.com` is found by `perez@ex`. In languages that write without spaces, a word begins
# at each letter. The trigger runs after set_tax_id_digits, whose name precedes its name. Issuing many keys
# spends most of its time here, so what few texts have is done only for these.
STORE_WORDS = r"""
CREATE OR REPLACE FUNCTION store_search_words() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    identifier text;
    words text := ' ';
    source text;
    token text;
    beginning text;
    is_address boolean;
    punctuation constant text := '!"#$%&''()*+,-./:;<=>?@[\]^_`{|}~';
    to_next_word text := '^[^!-/:-@\[-`{-~]*[!-/:-@\[-`{-~]+';
BEGIN
    IF TG_TABLE_NAME = 'beta_keys' THEN
        identifier := lower(NEW.key);
        source := concat_ws(' ', NEW.notes, NEW."recipientEmail");
        IF identifier ~ '^beta-[0-9a-z]{5}-[0-9a-z]{5}$' THEN
            token := substr(identifier, 12);
            words := ' ' || substr(identifier, 6, 5) || token || ' ' || token || ' ';
        ELSE
            -- From each of its groups to its end.
            IF octet_length(identifier) > length(identifier) THEN
                source := concat_ws(' ', identifier, source);
            END IF;
            identifier := regexp_replace(identifier, '^beta-', '');
            WHILE identifier <> '' LOOP
                words := words || translate(identifier, punctuation || ' ', '') || ' ';
                beginning := substring(identifier FROM '^[^ !-/:-@\[-`{-~]*[ !-/:-@\[-`{-~]+');
                EXIT WHEN beginning IS NULL;
                identifier := substr(identifier, length(beginning) + 1);
            END LOOP;
        END IF;
    ELSE
        source := concat_ws(' ', NEW."businessName", NEW.email);
        IF TG_OP = 'UPDATE' THEN
            source := concat_ws(' ', source, (
                SELECT string_agg(email, ' ') FROM users WHERE "tenantId" = NEW.id AND "isOwner"));
        END IF;
        -- From each of its symbols to its end, with at least four symbols.
        FOREACH identifier IN ARRAY ARRAY[lower(NEW.nit), NEW."taxIdDigits"] LOOP
            identifier := left(translate(identifier, replace(punctuation, '&', ' '), ''), 40);
            CONTINUE WHEN identifier IS NULL OR strpos(words, ' ' || identifier || ' ') > 0;
            FOR start IN 1 .. greatest(1, length(identifier) - 3) LOOP
                words := words || substr(identifier, start) || ' ';
            END LOOP;
        END LOOP;
    END IF;
    source := left(source, 2000);
    IF octet_length(source) > length(source) AND getdatabaseencoding() = 'UTF8' THEN
        source := regexp_replace(normalize(source, NFKD), '[\u0300-\u036f]', '', 'g');
        IF octet_length(source) > length(source) THEN
            source := regexp_replace(source,
                '[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]', '', 'g');
            source := translate(lower(source),
                E'øłđðħıŧ\u03c2\u2010\u2011\u2012\u2013\u2014\u2015\u2212\u2019', E'olddhit\u03c3-------''');
            source := replace(replace(replace(source, 'ß', 'ss'), 'æ', 'ae'), 'œ', 'oe');
            source := regexp_replace(source,
                '[\u0080-\u00bf\u00d7\u00f7\u2000-\u206f\u20a0-\u20cf\u2190-\u2bff\u2e00-\u2e7f'
                '\u3000-\u3004\u3008-\u3030\u30fb\U0001f000-\U0001faff]', ' ', 'g');
            to_next_word := '^(?:[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]'
                '|[^!-/:-@\[-`{-~\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]+'
                '(?=[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff])'
                '|[^!-/:-@\[-`{-~]*[!-/:-@\[-`{-~]+)';
        END IF;
    END IF;
    source := lower(source);
    IF source !~ '[^a-z0-9 ]' THEN
        NEW."searchWords" := words || source || ' ';
        RETURN NEW;
    END IF;
    FOREACH token IN ARRAY string_to_array(translate(source, E'\n\r\t', '   '), ' ') LOOP
        token := btrim(token, punctuation);
        is_address := strpos(token, '@') > 0;
        WHILE token <> '' LOOP
            words := words || left(token, 40) || ' ';
            beginning := substring(token FROM to_next_word);
            EXIT WHEN beginning IS NULL;
            token := substr(token, length(beginning) + 1);
            -- The end of a domain, such as `com`, is no word of an address.
            EXIT WHEN is_address AND strpos(beginning || token, '@') = 0;
        END LOOP;
    END LOOP;
    NEW."searchWords" := words;
    RETURN NEW;
END $$;
CREATE OR REPLACE TRIGGER store_search_words
    BEFORE INSERT OR UPDATE OF key, notes, "recipientEmail", "searchWords" ON beta_keys
    FOR EACH ROW EXECUTE FUNCTION store_search_words();
CREATE OR REPLACE TRIGGER store_search_words
    BEFORE INSERT OR UPDATE OF nit, "businessName", email, "searchWords" ON tenants
    FOR EACH ROW EXECUTE FUNCTION store_search_words();
"""

# Keys are also written without a scope, and a business in its own, so the functions open that of the platform
# for their statement. New rows are inserted in the order of the index, which takes two thirds of the time.
LIST_WORDS = """
CREATE OR REPLACE FUNCTION list_{words}() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    scope text := current_setting('gatehouse.scope', true);
BEGIN
    PERFORM set_config('gatehouse.scope', 'platform', true);
    IF TG_LEVEL = 'STATEMENT' THEN
        INSERT INTO {words} (word, "createdAt", id)
        SELECT left(word, 40), "createdAt", id
          FROM inserted, unnest(string_to_array("searchWords", ' ')) AS word WHERE word <> '' ORDER BY 1;
    ELSE
        DELETE FROM {words}
         WHERE "createdAt" = OLD."createdAt" AND id = OLD.id AND word = ANY (
               SELECT left(word, 40) FROM unnest(string_to_array(OLD."searchWords", ' ')) AS word);
        IF TG_OP = 'UPDATE' THEN
            INSERT INTO {words} (word, "createdAt", id)
            SELECT DISTINCT left(word, 40), NEW."createdAt", NEW.id
              FROM unnest(string_to_array(NEW."searchWords", ' ')) AS word WHERE word <> '';
        END IF;
    END IF;
    PERFORM set_config('gatehouse.scope', coalesce(scope, ''), true);
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER list_new_words AFTER INSERT ON {table}
    REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT EXECUTE FUNCTION list_{words}();
CREATE OR REPLACE TRIGGER list_changed_words AFTER UPDATE OF {columns}, "createdAt" ON {table}
    FOR EACH ROW WHEN (OLD."searchWords" IS DISTINCT FROM NEW."searchWords"
                       OR OLD."createdAt" <> NEW."createdAt")
    EXECUTE FUNCTION list_{words}();
CREATE OR REPLACE TRIGGER list_deleted_words AFTER DELETE ON {table}
    FOR EACH ROW EXECUTE FUNCTION list_{words}();
"""

LIST_KEY_WORDS = LIST_WORDS.format(
    words="beta_key_words", table="beta_keys", columns='key, notes, "recipientEmail", "searchWords"'
)
LIST_TENANT_WORDS = LIST_WORDS.format(
    words="tenant_words", table="tenants", columns='nit, "businessName", email, "searchWords"'
)

# A tenant is found by the address of its owner, too. The update makes its triggers compute the words.
OWNER_WORDS = """
CREATE OR REPLACE FUNCTION store_owner_words() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    of_tenants uuid[] := '{}';
BEGIN
    IF TG_OP <> 'INSERT' AND OLD."isOwner" THEN
        of_tenants := of_tenants || OLD."tenantId";
    END IF;
    IF TG_OP <> 'DELETE' AND NEW."isOwner" THEN
        of_tenants := of_tenants || NEW."tenantId";
    END IF;
    UPDATE tenants SET "searchWords" = NULL WHERE id = ANY (of_tenants);
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER store_new_owner_words AFTER INSERT ON users
    FOR EACH ROW WHEN (NEW."isOwner") EXECUTE FUNCTION store_owner_words();
CREATE OR REPLACE TRIGGER store_changed_owner_words AFTER UPDATE OF email, "isOwner", "tenantId" ON users
    FOR EACH ROW WHEN (OLD."isOwner" OR NEW."isOwner") EXECUTE FUNCTION store_owner_words();
CREATE OR REPLACE TRIGGER store_deleted_owner_words AFTER DELETE ON users
    FOR EACH ROW WHEN (OLD."isOwner") EXECUTE FUNCTION store_owner_words();
"""

BACKWARDS = """
DROP POLICY IF EXISTS scope ON tenants;
CREATE POLICY scope ON tenants USING (
    current_setting('gatehouse.scope', true) = 'platform'
    OR id = nullif(current_setting('gatehouse.tenant_id', true), '')::uuid
);
DROP TRIGGER IF EXISTS store_deleted_owner_words ON users;
DROP TRIGGER IF EXISTS store_changed_owner_words ON users;
DROP TRIGGER IF EXISTS store_new_owner_words ON users;
DROP FUNCTION IF EXISTS store_owner_words();
DROP TRIGGER IF EXISTS list_deleted_words ON tenants;
DROP TRIGGER IF EXISTS list_changed_words ON tenants;
DROP TRIGGER IF EXISTS list_new_words ON tenants;
DROP FUNCTION IF EXISTS list_tenant_words();
DROP TRIGGER IF EXISTS list_deleted_words ON beta_keys;
DROP TRIGGER IF EXISTS list_changed_words ON beta_keys;
DROP TRIGGER IF EXISTS list_new_words ON beta_keys;
DROP FUNCTION IF EXISTS list_beta_key_words();
DROP TRIGGER IF EXISTS store_search_words ON tenants;
DROP TRIGGER IF EXISTS store_search_words ON beta_keys;
DROP FUNCTION IF EXISTS store_search_words();
"""

MIGRATION = SqlMigration(
    ID,
    DESCRIPTION,
    forwards=[
        WORDS,
        VISIBLE,
        STORE_WORDS,
        LIST_KEY_WORDS,
        LIST_TENANT_WORDS,
        OWNER_WORDS,
        # The triggers set the value and list the words.
        Backfill("beta_keys", values={"searchWords": "''"}, where='"searchWords" IS NULL'),
        Backfill("tenants", values={"searchWords": "''"}, where='"searchWords" IS NULL'),
    ],
    backwards=BACKWARDS,
)
