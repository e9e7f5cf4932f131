from piccolo.columns import JSONB, UUID, Timestamptz, Varchar
from piccolo.table import Table


class AuditEvent(Table, tablename="audit_events"):
    """Who did what, when, from where; inserted in the transaction of the act.

    There are no foreign keys, because an event outlives the rows it refers to.
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
