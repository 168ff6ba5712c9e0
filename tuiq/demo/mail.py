"""The sample mail of ``tuiq demo``: a small bookshop's morning, and its newsletter.

Pure values; every address lies under ``.example`` (RFC 2606).
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from email.header import Header
from email.utils import formatdate
from typing import TYPE_CHECKING

from tuiq.mail.envelope import Envelope, Recipient

if TYPE_CHECKING:
    from collections.abc import Iterator

NEWSLETTER_SIZE = 20_000
REMINDERS = 214
HOSTILE_SUBJECT = b"\x1b]0;owned\x07Invoice \xe2\x80\xaefdp.exe\x1b[2J"
"""Would retitle and clear a terminal, and turn the text around."""
_RUN = 100
"""Subscribers of one domain that follow each other on the list: more than two
transactions take, so that some transactions have one domain alone."""
_SHARES = {
    "bigmail.example": 11_000,
    "postbox.example": 3_600,
    "uni.example": 2_400,
    "startup.example": 1_200,
    "museum.example": 1_000,
    "flaky.example": 800,
}
_FIRST_NAMES = (
    "alma bela carla dora emil finn greta hugo ida jonas karla lena mats nora "
    "olaf paula quirin rosa simon tilda ulla vera wanda xaver yara zoe"
)
_FAMILY_NAMES = (
    "ahrens bauer conrad dietz ebert falk graf haas imhof jung kern lang maurer "
    "neumann otto peters quast roth sauer thoma unger vogt weber young zander"
)
_NAMES = _FIRST_NAMES.split()
_FAMILIES = _FAMILY_NAMES.split()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One message to be handed in."""

    sender: str
    recipients: tuple[str, ...]
    subject: str | bytes
    """Bytes go into the header as they are."""
    body: str = "Sent by tuiq demo.\n"
    verb: str = ""
    """What an operator does with it: ``hold``, ``delete``; empty: nothing."""

    def envelope(self) -> Envelope:
        """Return the envelope."""
        people = tuple(Recipient(address=a.encode()) for a in self.recipients)
        return Envelope(sender=self.sender.encode(), recipients=people, via=b"api")

    def data(self, message_id: str, now: float) -> bytes:
        """Return header and body in wire form."""
        count = len(self.recipients)
        to = self.recipients[0] if count == 1 else f"{count} readers: ;"
        subject = self.subject
        if isinstance(subject, str):
            subject = Header(subject).encode(linesep="\r\n").encode()
        head = [
            b"From: " + self.sender.encode(),
            b"To: " + to.encode(),
            b"Subject: " + subject,
            b"Date: " + formatdate(now).encode(),
            b"Message-ID: " + message_id.encode(),
            b"MIME-Version: 1.0",
            b"Content-Type: text/plain; charset=utf-8",
            b"",
        ]
        return b"\r\n".join([*head, *self.body.encode().splitlines(), b""])


_SHOP = "shop@harbor.example"
_ROOT = "root@web1.harbor.example"
_BODY = (
    "Dear reader,\n\nthis message was made up by tuiq demo, and no server but the\n"
    "one in this process has ever seen it.\n\nYours\nHarbor Books\n"
)


def first_samples() -> list[Sample]:
    """Return what lies in the queue before the runner starts."""
    return [
        _mail(_ROOT, "ops@harbor.example", "Cron <root@web1> /usr/local/bin/backup"),
        _mail(_SHOP, "carla.weber@bigmail.example", "Your order 48211 has been sent"),
        _mail(_SHOP, "hugo.falk@postbox.example", "Reset your password"),
        _mail(
            _SHOP,
            "nora.lang@museum.example",
            "Müllers „Möwen“ ist wieder da – für Sie zurückgelegt",
        ),
        _mail("info@harbor.example", "office@uni.example", "会議室の予約について"),
        _mail("billing@harbor.example", "cfo@startup.example", "Invoice 2611-0382"),
        _mail("billing@harbor.example", "emeritus@uni.example", "Invoice 2611-0383"),
        _mail(_SHOP, "orders@flaky.example", "Order 771 to your warehouse"),
        _mail("x@mail.scam.example", "ida.roth@bigmail.example", HOSTILE_SUBJECT),
        _mail(
            "petra@harbor.example",
            "board@harbor.example emil.graf@bigmail.example dean@uni.example "
            "rosa.kern@postbox.example visit@museum.example cfo@startup.example",
            "Minutes of Thursday’s board meeting",
        ),
        _mail("hr@harbor.example", "team@harbor.example", "Salaries November", "hold"),
        _mail(
            "tilda@harbor.example",
            "team@harbor.example everybody@uni.example",
            "Re: Re: lunch?",
            "delete",
        ),
    ]


def later_samples() -> Iterator[Sample]:
    """Yield what a web shop sends all day long."""
    chance = random.Random(7)
    subjects = (
        "Your order {n} has been sent",
        "Reset your password",
        "Thank you for order {n}",
        "Receipt {n}",
        "Your parcel is waiting at the harbour, pickup code {n}",
        "How did you like your book?",
    )
    domains = ("bigmail.example", "bigmail.example", "postbox.example", "uni.example")
    while True:
        subject = chance.choice(subjects).format(n=chance.randint(48_300, 48_999))
        who = f"{chance.choice(_NAMES)}.{chance.choice(_FAMILIES)}"
        yield _mail(_SHOP, f"{who}@{chance.choice(domains)}", subject)


def newsletter() -> Sample:
    """Return the 20,000-recipient newsletter."""
    return Sample(
        sender="news@harbor.example",
        recipients=tuple(subscribers()),
        subject="Harbor Letter 11: ten books for the long evenings",
        body=_BODY,
    )


def reminders() -> Iterator[Sample]:
    """Yield bills for people whose mailboxes have been full for weeks."""
    for number in range(REMINDERS):
        who = f"{_NAMES[-1 - number % 3]}.young{number}@startup.example"
        yield _mail(
            "billing@harbor.example", who, f"Reminder for invoice 2610-{number}"
        )


def subscribers() -> list[str]:
    """Return the newsletter's list: domains in runs, the runs shuffled."""
    chance = random.Random(11)
    runs = []
    for domain, count in _SHARES.items():
        people = [_subscriber(number, domain) for number in range(count)]
        runs += [people[at : at + _RUN] for at in range(0, count, _RUN)]
    chance.shuffle(runs)
    return [person for run in runs for person in run]


def _subscriber(number: int, domain: str) -> str:
    """Return an address that no other *number* has."""
    first = _NAMES[number % len(_NAMES)]
    family = _FAMILIES[number // len(_NAMES) % len(_FAMILIES)]
    again = number // (len(_NAMES) * len(_FAMILIES))
    return f"{first}.{family}{again or ''}@{domain}"


def _mail(sender: str, to: str, subject: str | bytes, verb: str = "") -> Sample:
    return Sample(
        sender=sender,
        recipients=tuple(to.split()),
        subject=subject,
        body=_BODY,
        verb=verb,
    )
