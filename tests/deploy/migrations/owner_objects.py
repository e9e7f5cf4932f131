"""Objects that an owner of the database may add to the tables of Gatehouse."""

OBJECTS = """
ALTER TABLE users ADD CONSTRAINT short_document CHECK (length("documentId") < 15),
    ADD CONSTRAINT one_document UNIQUE ("documentId"),
    ADD COLUMN label text GENERATED ALWAYS AS (upper("documentId")) STORED;
CREATE TABLE badges (
    id int PRIMARY KEY, document varchar(20) CONSTRAINT of_document REFERENCES users ("documentId")
);
CREATE INDEX users_by_document ON users (lower("documentId")) WHERE "documentId" IS NOT NULL;
CREATE STATISTICS users_documents ON "documentId", "phoneNumber" FROM users;
GRANT SELECT ("documentId", email), UPDATE ("documentId") ON users TO reporting;
GRANT SELECT ("suspendedReason") ON tenants TO reporting WITH GRANT OPTION;
GRANT SELECT ON sessions TO reporting;
COMMENT ON COLUMN users."documentId" IS 'the owner''s "text"';
COMMENT ON CONSTRAINT short_document ON users IS 'old cards';
COMMENT ON INDEX users_tenant_id IS 'a comment on an index of Gatehouse';
COMMENT ON TABLE tenants IS 'businesses';
ALTER TABLE users ALTER COLUMN "documentId" SET STATISTICS 500,
    ALTER COLUMN "documentId" SET (n_distinct = -1);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER noted AFTER UPDATE OF "documentId" ON users FOR EACH ROW EXECUTE FUNCTION note();
ALTER TABLE users ENABLE ALWAYS TRIGGER noted;
CREATE POLICY owners ON users AS RESTRICTIVE FOR DELETE TO reporting USING (NOT "isOwner");
ALTER TABLE tenants ADD CONSTRAINT named CHECK ("businessName" <> '') ;
ALTER TABLE tenants ADD CONSTRAINT reasons CHECK ("suspendedReason" <> '') NOT VALID;
CREATE UNIQUE INDEX tenants_email ON tenants (email);
CREATE VIEW documents WITH (security_barrier) AS SELECT id, "documentId" AS document FROM users;
CREATE VIEW active_documents AS SELECT document FROM documents WHERE document <> 'none';
GRANT SELECT ON documents TO reporting;
COMMENT ON VIEW documents IS 'a report';
CREATE MATERIALIZED VIEW seats AS
    SELECT t.nit, count(u.id) AS people FROM tenants t LEFT JOIN users u ON u."tenantId" = t.id GROUP BY 1;
CREATE UNIQUE INDEX seats_nit ON seats (nit);
CREATE VIEW reasons AS SELECT "suspendedReason" FROM tenants;
CREATE VIEW devices AS SELECT s."userAgent", u."documentId" FROM sessions s JOIN users u ON u.id = s."userId";
CREATE FUNCTION document_of(uuid) RETURNS text LANGUAGE sql
    BEGIN ATOMIC SELECT "documentId" FROM users WHERE id = $1; END;
CREATE VIEW businesses AS SELECT nit FROM tenants;
CREATE FUNCTION documents_noted() RETURNS trigger LANGUAGE plpgsql
    AS 'BEGIN NEW."phoneNumber" := trim(NEW."phoneNumber"); RETURN NEW; END';
CREATE TRIGGER documents_noted BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION documents_noted();
CREATE TABLE orders (tenant uuid CONSTRAINT of_tenant REFERENCES tenants (id));
CREATE RULE no_document AS ON UPDATE TO users WHERE new."documentId" = 'never' DO INSTEAD NOTHING;
"""
