"""What days at the desk are made of."""

from __future__ import annotations

__all__ = [
    "COMPLAINTS",
    "FAULTS",
    "FIRST_NAMES",
    "HANDBOOK",
    "LAST_NAMES",
    "QUESTIONS",
    "SERVICES",
    "TEAMS",
    "TWEAKS",
]

SERVICES = {
    "archive": "ARC",
    "billing": "BIL",
    "calendar": "CAL",
    "directory": "DIR",
    "expenses": "EXP",
    "gateway": "GWY",
    "inventory": "INV",
    "ledger": "LED",
    "mail-relay": "MRL",
    "payroll": "PAY",
    "print-queue": "PRQ",
    "reporting": "REP",
    "session-store": "SES",
    "sign-in": "SGN",
    "vault": "VLT",
}
"""Each with the letters that its error codes begin with."""

TEAMS = ("platform", "identity", "finance-systems", "workplace", "data")

FAULTS = (
    "no connection could be had",
    "the certificate was not accepted",
    "the answer came too late",
    "the quota is used up",
    "the schema does not fit",
    "the key is not known",
    "the request was refused",
)

COMPLAINTS = (
    "Nothing loads",
    "Saving fails",
    "Signing in goes round in circles",
    "A blank page appears",
    "Uploads stop half way",
    "The list stays empty",
    "Approvals cannot be sent",
)

QUESTIONS = (
    "How to add a delegate",
    "A request for a larger quota",
    "Where old entries are kept",
    "A wish for another language",
)

TWEAKS = (
    "Raise the number of workers",
    "Move to the new certificate authority",
    "Renew the certificate",
    "Upgrade the driver",
    "Lower the time limit of requests",
    "Rotate the signing key",
    "Turn on strict checks",
    "Change the address of the replica",
)

FIRST_NAMES = ("Ada", "Bo", "Chidi", "Dana", "Emre", "Freya", "Goran", "Hana", "Ines", "Jun")
LAST_NAMES = ("Arslan", "Berg", "Costa", "Diallo", "Egede", "Fuentes", "Gupta", "Haddad")

HANDBOOK = {
    "incidents": (
        "An incident is opened for the service that causes an outage, not for those that suffer "
        "from it. It explains the open tickets that show the outage's error code and were opened "
        "after the change that caused it: link all of them and no other. Closed tickets stay as "
        "they are. In an outage, one error code is on more open tickets than any other; it comes "
        "from the service that causes the outage, since services pass on the codes of those that "
        "they use."
    ),
    "causes": (
        "The cause is the last change to the service that was in force when the first ticket of "
        "the outage was opened. A change that had been rolled back by then was not in force; "
        "neither was one that came later."
    ),
    "priorities": (
        "P1: tickets of four services or more are linked. P2: of two or three. P3: of one."
    ),
    "assignment": (
        "An incident belongs to whoever is on call now in the team that owns its service, whoever "
        "made the change."
    ),
}
