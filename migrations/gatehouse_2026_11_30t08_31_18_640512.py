from api.deploy.migrations.backfill import Backfill
from api.deploy.migrations.migration import SqlMigration

ID = "2026-11-30T08:31:18:640512"
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
    USING (coalesce((SELECT current_setting('gatehouse.scope', true)) = 'platform', false));
ALTER TABLE tenant_words ENABLE ROW LEVEL SECURITY;
ALTER TABLE tenant_words FORCE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS scope ON tenant_words;
CREATE POLICY scope ON tenant_words
    USING (coalesce((SELECT current_setting('gatehouse.scope', true)) = 'platform', false));
"""

# `api.domain.search.typed` brings a search into the same form. "searchWords" holds the words with a space
# before and after each. A word begins after white space and after punctuation, and goes on to the next white
# space: `ana.perez@example.com` is found by `perez@ex`. In languages that write without spaces, a word begins
# at each letter. The trigger runs after set_tax_id_digits, whose name precedes its name. Issuing many keys
# spends most of its time here, so what few texts have is done only for these.
#
# All these triggers name no column, neither in a list nor in a WHEN: PostgreSQL refuses to change the type of
# a column that a trigger names, so repairs and migrations would fail. And their functions read a row as
# JSON: a session that has run a function which reads NEW.key fails at each write after the type of the
# column was changed, until it ends.
STORE_WORDS = r"""
CREATE OR REPLACE FUNCTION store_search_words() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    new_row constant jsonb := to_jsonb(NEW);
    old_row jsonb;
    identifier text;
    words text := ' ';
    source text;
    token text;
    beginning text;
    is_mailbox boolean;
    punctuation constant text := '!"#$%&''()*+,-./:;<=>?@[\]^_`{|}~';
    to_next_word text := '^[^!-/:-@\[-`{-~]*[!-/:-@\[-`{-~]+';
BEGIN
    IF TG_OP = 'UPDATE' THEN
        old_row := to_jsonb(OLD);
        IF (new_row ->> 'searchWords') IS NOT DISTINCT FROM (old_row ->> 'searchWords')
           AND (new_row ->> TG_ARGV[0]) IS NOT DISTINCT FROM (old_row ->> TG_ARGV[0])
           AND (new_row ->> TG_ARGV[1]) IS NOT DISTINCT FROM (old_row ->> TG_ARGV[1])
           AND (new_row ->> TG_ARGV[2]) IS NOT DISTINCT FROM (old_row ->> TG_ARGV[2]) THEN
            RETURN NEW;
        END IF;
    END IF;
    IF TG_TABLE_NAME = 'beta_keys' THEN
        identifier := lower(new_row ->> 'key');
        source := concat_ws(' ', new_row ->> 'notes', new_row ->> 'recipientEmail');
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
        source := concat_ws(' ', new_row ->> 'businessName', new_row ->> 'email');
        IF TG_OP = 'UPDATE' THEN
            source := concat_ws(' ', source, (
                SELECT string_agg(email, ' ') FROM users
                 WHERE "tenantId" = (new_row ->> 'id')::uuid AND "isOwner"));
        END IF;
        -- From each of its symbols to its end, with at least four symbols.
        FOREACH identifier IN ARRAY ARRAY[lower(new_row ->> 'nit'), new_row ->> 'taxIdDigits'] LOOP
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
                E'øłđðħıŧ\u03c2\u2010\u2011\u2012\u2013\u2014\u2015\u2212\u2019',
                E'olddhit\u03c3-------''');
            source := replace(replace(replace(source, 'ß', 'ss'), 'æ', 'ae'), 'œ', 'oe');
            source := regexp_replace(source,
                '[\u0080-\u00bf\u00d7\u00f7\u2000-\u206f\u20a0-\u20cf\u2190-\u2bff'
                '\u2e00-\u2e7f\u3000-\u3004\u3008-\u3030\u30fb\U0001f000-\U0001faff]', ' ', 'g');
            to_next_word := replace(
                '^(?:[@]|[^!-/:-\x40\[-`{-~@]+(?=[@])|[^!-/:-\x40\[-`{-~]*[!-/:-\x40\[-`{-~]+)', '@',
                '\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff');
        END IF;
    END IF;
    source := lower(source);
    IF source !~ '[^a-z0-9 ]' THEN
        NEW."searchWords" := words || source || ' ';
        RETURN NEW;
    END IF;
    FOREACH token IN ARRAY string_to_array(translate(source, E'\n\r\t', '   '), ' ') LOOP
        token := btrim(token, punctuation);
        is_mailbox := strpos(token, '@') > 0;
        WHILE token <> '' LOOP
            words := words || left(token, 40) || ' ';
            beginning := substring(token FROM to_next_word);
            EXIT WHEN beginning IS NULL;
            token := substr(token, length(beginning) + 1);
            -- The end of a domain, such as `com`, is no word of its own.
            EXIT WHEN is_mailbox AND strpos(beginning || token, '@') = 0;
        END LOOP;
    END LOOP;
    NEW."searchWords" := words;
    RETURN NEW;
END $$;
CREATE OR REPLACE TRIGGER store_search_words
    BEFORE INSERT OR UPDATE ON beta_keys
    FOR EACH ROW EXECUTE FUNCTION store_search_words('key', 'notes', 'recipientEmail');
CREATE OR REPLACE TRIGGER store_search_words
    BEFORE INSERT OR UPDATE ON tenants
    FOR EACH ROW EXECUTE FUNCTION store_search_words('nit', 'businessName', 'email');
"""

# Keys are also written without a scope, and a business in its own, so the functions open that of the platform
# for their statements. New rows are inserted in the order of the index, which takes two thirds of the time.
# The words to delete are an array: for a subquery, PostgreSQL reads the whole table before its first ANALYZE.
LIST_WORDS = """
CREATE OR REPLACE FUNCTION list_{words}() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    scope text := current_setting('gatehouse.scope', true);
    new_row jsonb;
    old_row jsonb;
    new_words text[];
    old_words text[];
    is_moved boolean := true;
BEGIN
    IF TG_OP <> 'INSERT' THEN
        old_row := to_jsonb(OLD);
    END IF;
    IF TG_OP = 'UPDATE' THEN
        new_row := to_jsonb(NEW);
        is_moved := (new_row ->> 'createdAt') IS DISTINCT FROM (old_row ->> 'createdAt')
                 OR (new_row ->> 'id') IS DISTINCT FROM (old_row ->> 'id');
        IF NOT is_moved AND (new_row ->> 'searchWords') IS NOT DISTINCT FROM (old_row ->> 'searchWords') THEN
            RETURN NULL;
        END IF;
    END IF;
    PERFORM set_config('gatehouse.scope', 'platform', true);
    IF TG_OP = 'INSERT' THEN
        INSERT INTO {words} (word, "createdAt", id)
        SELECT left(word, 40), "createdAt", id
          FROM inserted, unnest(string_to_array("searchWords", ' ')) AS word WHERE word <> '' ORDER BY 1;
    ELSE
        old_words := ARRAY(
            SELECT left(word, 40) FROM unnest(string_to_array(old_row ->> 'searchWords', ' ')) AS word);
        new_words := ARRAY(
            SELECT DISTINCT left(word, 40)
              FROM unnest(string_to_array(new_row ->> 'searchWords', ' ')) AS word WHERE word <> '');
        DELETE FROM {words}
         WHERE word = ANY (old_words) AND "createdAt" = (old_row ->> 'createdAt')::timestamptz
           AND id = (old_row ->> 'id')::uuid AND (is_moved OR word <> ALL (new_words));
        INSERT INTO {words} (word, "createdAt", id)
        SELECT word, (new_row ->> 'createdAt')::timestamptz, (new_row ->> 'id')::uuid
          FROM unnest(new_words) AS word WHERE is_moved OR word <> ALL (old_words);
    END IF;
    PERFORM set_config('gatehouse.scope', coalesce(scope, ''), true);
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER list_new_words AFTER INSERT ON {table}
    REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT EXECUTE FUNCTION list_{words}();
CREATE OR REPLACE TRIGGER list_changed_words AFTER UPDATE OR DELETE ON {table}
    FOR EACH ROW EXECUTE FUNCTION list_{words}();
"""

LIST_KEY_WORDS = LIST_WORDS.format(words="beta_key_words", table="beta_keys")
LIST_TENANT_WORDS = LIST_WORDS.format(words="tenant_words", table="tenants")

# A tenant is found by the address of its owner, too. The update makes its triggers compute the words.
OWNER_WORDS = """
CREATE OR REPLACE FUNCTION store_owner_words() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    new_row jsonb;
    old_row jsonb;
    of_tenants uuid[] := '{}';
BEGIN
    IF TG_OP <> 'DELETE' THEN
        new_row := to_jsonb(NEW);
    END IF;
    IF TG_OP <> 'INSERT' THEN
        old_row := to_jsonb(OLD);
    END IF;
    IF (new_row ->> 'isOwner') IS NOT DISTINCT FROM (old_row ->> 'isOwner')
       AND (new_row ->> 'email') IS NOT DISTINCT FROM (old_row ->> 'email')
       AND (new_row ->> 'tenantId') IS NOT DISTINCT FROM (old_row ->> 'tenantId') THEN
        RETURN NULL;
    END IF;
    IF (old_row ->> 'isOwner')::boolean THEN
        of_tenants := of_tenants || (old_row ->> 'tenantId')::uuid;
    END IF;
    IF (new_row ->> 'isOwner')::boolean THEN
        of_tenants := of_tenants || (new_row ->> 'tenantId')::uuid;
    END IF;
    IF of_tenants <> '{}' THEN
        UPDATE tenants SET "searchWords" = NULL WHERE id = ANY (of_tenants);
    END IF;
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER store_owner_words AFTER INSERT OR UPDATE OR DELETE ON users
    FOR EACH ROW EXECUTE FUNCTION store_owner_words();
"""

BACKWARDS = """
DROP TRIGGER IF EXISTS store_owner_words ON users;
DROP FUNCTION IF EXISTS store_owner_words();
DROP TRIGGER IF EXISTS list_changed_words ON tenants;
DROP TRIGGER IF EXISTS list_new_words ON tenants;
DROP FUNCTION IF EXISTS list_tenant_words();
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
