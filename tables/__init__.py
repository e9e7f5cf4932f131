"""The tables of the database: one Piccolo table in each file, columns only.

A required column has `default=None`. Without it, Piccolo would insert "" for a missing value; PostgreSQL
rejects None.
"""

from tables.audit_event import AuditEvent
from tables.authenticator_app import AuthenticatorApp
from tables.beta_key import BetaKey
from tables.beta_key_word import BetaKeyWord
from tables.known_device import KnownDevice
from tables.mail import Mail
from tables.mail_delay import MailDelay
from tables.one_time_code import OneTimeCode
from tables.passkey import Passkey
from tables.recovery_code import RecoveryCode
from tables.server_process import ServerProcess
from tables.session import Session
from tables.staff_invitation import StaffInvitation
from tables.tenant import Tenant
from tables.tenant_word import TenantWord
from tables.user import User
from tables.wrong_password import WrongPassword

__all__ = [
    "AuditEvent",
    "AuthenticatorApp",
    "BetaKey",
    "BetaKeyWord",
    "KnownDevice",
    "Mail",
    "MailDelay",
    "OneTimeCode",
    "Passkey",
    "RecoveryCode",
    "ServerProcess",
    "Session",
    "StaffInvitation",
    "Tenant",
    "TenantWord",
    "User",
    "WrongPassword",
]
