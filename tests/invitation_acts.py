"""Mutations about invitations of staff, with their preparation; see `tests.acts`."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.acts import Business

EVA = {"email": "eva@example.com", "firstName": "Eva", "lastName": "Sol", "role": "CASHIER"}

INVITE = """
mutation($i: InviteStaffInput!) { inviteStaff(input: $i) { __typename ... on StaffInvitation { id } } }
"""


async def invite_staff(_business: "Business") -> tuple[str, dict[str, Any]]:
    return INVITE, {"i": EVA}


async def _invited(business: "Business") -> dict[str, Any]:
    """The id of an invitation whose mail was sent an hour ago."""
    answer = await business.api.data(INVITE, business.token, i=EVA)
    await business.database.execute("""UPDATE staff_invitations SET "sentAt" = now() - interval '1 hour'""")
    return {"id": answer["inviteStaff"]["id"]}


async def resend_invitation(business: "Business") -> tuple[str, dict[str, Any]]:
    return "mutation($id: ID!) { resendInvitation(id: $id) { __typename } }", await _invited(business)


async def cancel_invitation(business: "Business") -> tuple[str, dict[str, Any]]:
    return "mutation($id: ID!) { cancelInvitation(id: $id) { __typename } }", await _invited(business)


async def accept_invitation(business: "Business") -> tuple[str, dict[str, Any]]:
    await _invited(business)
    values = {"email": EVA["email"], "code": await business.mailed_code(), "password": "0ther!Secret"}
    document = "mutation($i: AcceptInvitationInput!) { acceptInvitation(input: $i) { __typename } }"
    return document, {"i": values}


MUTATIONS = {
    "inviteStaff": invite_staff,
    "resendInvitation": resend_invitation,
    "cancelInvitation": cancel_invitation,
    "acceptInvitation": accept_invitation,
}

EVENTS: dict[str, set[str]] = {
    "inviteStaff": {"staff.invited"},
    "resendInvitation": {"staff.invitation_resent"},
    "cancelInvitation": {"staff.invitation_cancelled"},
    "acceptInvitation": {"staff.invitation_accepted"},
}
"""The actions that each mutation records."""
