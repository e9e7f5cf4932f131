from api.deploy.migrations.backfill import Backfill
from api.deploy.migrations.migration import Index, SqlMigration

ID = "2026-11-29T09:40:17:283064"
DESCRIPTION = "Store the digits of tax ids."

COLUMN = """
ALTER TABLE tenants ADD COLUMN IF NOT EXISTS "taxIdDigits" text;
"""

# Ids of one business are stored in several forms: by older versions with a label, with digits of other
# scripts, or without a check digit. By their digits a registration finds the few that it must compare. A
# trigger sets them, so that the old version and repairs by hand store them too. The numbers are the zeros of
# the scripts that have digits; chr() and normalize() accept them only in UTF-8.
TRIGGER = """
CREATE OR REPLACE FUNCTION set_tax_id_digits() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    source text := NEW.nit;
BEGIN
    IF octet_length(source) > length(source) AND getdatabaseencoding() = 'UTF8' THEN
        SELECT translate(normalize(source, NFKC), string_agg(chr(zero + digit), '' ORDER BY zero, digit),
                         repeat('0123456789', count(DISTINCT zero)::integer))
          INTO source
          FROM generate_series(0, 9) digit, unnest(ARRAY[
               1632, 1776, 1984, 2406, 2534, 2662, 2790, 2918, 3046, 3174, 3302, 3430, 3558, 3664, 3792,
               3872, 4160, 4240, 6112, 6160, 6470, 6608, 6784, 6800, 6992, 7088, 7232, 7248, 42528,
               43216, 43264, 43472, 43504, 43600, 44016, 66720, 68912, 68928, 69734, 69872, 69942,
               70096, 70384, 70736, 70864, 71248, 71360, 71376, 71386, 71472, 71904, 72016, 72688,
               72784, 73040, 73120, 73552, 92768, 92864, 93008, 123200, 123632, 124144, 124401, 125264]) zero;
    END IF;
    NEW."taxIdDigits" := regexp_replace(source, '[^0-9]', '', 'g');
    RETURN NEW;
END $$;
CREATE OR REPLACE TRIGGER set_tax_id_digits BEFORE INSERT OR UPDATE ON tenants
    FOR EACH ROW EXECUTE FUNCTION set_tax_id_digits();
"""

BACKWARDS = """
DROP TRIGGER IF EXISTS set_tax_id_digits ON tenants;
DROP FUNCTION IF EXISTS set_tax_id_digits();
"""

MIGRATION = SqlMigration(
    ID,
    DESCRIPTION,
    forwards=[
        COLUMN,
        TRIGGER,
        # The trigger sets the value.
        Backfill("tenants", values={"taxIdDigits": "''"}, where='"taxIdDigits" IS NULL'),
        Index("tenants_tax_id_digits", 'tenants ("taxIdDigits")'),
    ],
    backwards=BACKWARDS,
)
