"""The codes of errors that clients can act on, and of problems of input fields, with their descriptions."""

ERROR_CODES = {
    "INVALID_INPUT": "`InvalidInput`",
    "BETA_KEY_REJECTED": "`BetaKeyRejected`",
    "EMAIL_TAKEN": "`EmailTaken`",
    "NIT_TAKEN": "`NitTaken`",
    "WRONG_CREDENTIALS": "`WrongCredentials`",
    "TENANT_SUSPENDED": "`TenantSuspended`",
    "TENANT_DELETED": "`TenantDeleted`",
    "NOT_FOUND": "`NotFound`",
    "CONFLICT": "`Conflict`",
    "NO_SEAT": "`NoSeat`",
    "INVITATION_REQUIRED": "`InvitationRequired`",
    "WRONG_CODE": "`WrongCode`",
    "RATE_LIMITED": "`RateLimited`",
    "SECOND_FACTOR_REQUIRED": "`SecondFactorRequired`",
    "PASSKEYS_UNAVAILABLE": "`PasskeysUnavailable`",
    "STEP_UP_REQUIRED": "`StepUpRequired`",
}

FIELD_CODES = {
    "REQUIRED": "the field is empty.",
    "TOO_SHORT": "the text has too few characters.",
    "TOO_LONG": "the text has too many characters.",
    "TOO_SMALL": "the number is too small.",
    "TOO_LARGE": "the number is too large.",
    "INVALID_CHARACTERS": "the text has control characters or emoji.",
    "WEB_ADDRESS": "the name contains a web or an email address.",
    "INVALID_EMAIL": "not an email address.",
    "AMBIGUOUS_EMAIL": "an email address that can be mistaken for another: its local part mixes scripts, "
    "or has letters outside ASCII in upper case or in another width; or it has only letters of another "
    "script that look like Latin ones.",
    "SAME_EMAIL": "the new email address is the current one.",
    "INVALID_PHONE": "not a phone number.",
    "INVALID_TAX_ID": "not a tax id of the country of this deployment.",
    "INVALID_CHOICE": "the value is not allowed here, such as the role `SUPER_ADMIN` for staff.",
    "WEAK_PASSWORD": "the password lacks a lower-case letter, an upper-case letter, a digit "
    "or a special character; only where the deployment requires them.",
    "COMMON_PASSWORD": "the password is a common or leaked one, or a simple pattern.",
    "PERSONAL_PASSWORD": "the password is made of the email, names or numbers of the person or business.",
    "SAME_PASSWORD": "the new password is the current one.",
    "IN_THE_PAST": "the instant is not in the future.",
    "ONE_KEY_EACH": "a key with a recipient was requested together with other keys.",
    "NOT_FOUND": "no object has this id.",
}
