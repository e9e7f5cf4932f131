from piccolo.columns import JSONB, UUID, Timestamptz, Varchar
from piccolo.table import Table


class AuditEvent(Table, tablename="audit_events"):
    """Who did what, when, from where; written in the transaction of what it records.

    It refers to nothing by foreign key: the record outlives what it tells of.
    """

    id = UUID(primary_key=True)
    at = Timestamptz()
    actor_id = UUID(null=True, default=None, db_column_name="actorId")
    actor_email = Varchar(length=120, null=True, default=None, db_column_name="actorEmail")
    tenant_id = UUID(null=True, default=None, db_column_name="tenantId")
    action = Varchar(length=60, default=None)
    subject_id = UUID(null=True, default=None, db_column_name="subjectId")
    detail = JSONB()
    ip_address = Varchar(length=45, null=True, default=None, db_column_name="ipAddress")
