"""Mail that has one reading at a glance, read without a parser.

``tuiq-sendmail`` runs for every mail and little but the start of the interpreter is
to be felt, so this module imports no more than two built-in ones and compiles no
pattern.  What is not plain is answered with None, and the caller goes the long way
through ``address``, ``headers`` and ``message``; where there is an answer, it is
theirs.
"""

import pwd
import time

MAX_ADDRESS = 1003
"""Bytes of the longest address that a control file can hold."""
LONG_NAME = 500
"""Bytes above which a display name is folded into encoded words."""

_ALNUM = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_ATOM = _ALNUM + b".!#$%&'*+-/=?^_`{|}~"
_DOMAIN = _ALNUM + b".-_"
_PHRASE = _ALNUM + b" !#$%&'*+/=?^_`{|}~-"
_FIELD_NAME = bytes(set(range(33, 127)) - {58})
_DAYS = (b"Mon", b"Tue", b"Wed", b"Thu", b"Fri", b"Sat", b"Sun")
_MONTHS = b"Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()

Field = tuple[bytes, bytes]
"""Name in lower case, and the whole field as it stands, its LF included."""


def read_address(raw: bytes, origin: bytes) -> bytes | None:
    """Return what ``address.parse`` does, of an address without any oddity."""
    local, at, domain = raw.partition(b"@")
    if not at:
        domain = origin
    if not local or not domain or domain[:1] == b"." or domain[-1:] == b".":
        return None
    if local.translate(None, _ATOM) or domain.translate(None, _DOMAIN):
        return None
    address = local + b"@" + domain.lower()
    return address if len(address) <= MAX_ADDRESS else None


def read_list(value: bytes) -> list[bytes] | None:
    """Return what ``address.read_list`` does, of ``a@b`` and ``A B <a@b>`` only."""
    found = []
    for part in value.split(b","):
        item = part.strip(b" \t\n")
        if item[-1:] == b">":
            name, bracket, item = item[:-1].rpartition(b"<")
            if not bracket or not item or name.translate(None, _PHRASE + b".\t\n"):
                return None
        if item.translate(None, _ATOM + b"@"):
            return None
        if item:
            found.append(item)
    return found


def unix_lines(data: bytes) -> bytes | None:
    """Return *data* with LF as its line end, the last one too."""
    if b"\0" in data:
        return None
    if b"\r" in data:
        if data.count(b"\r\n") != data.count(b"\r"):
            return None
        data = data.replace(b"\r\n", b"\n")
    return data + b"\n" if data and data[-1:] != b"\n" else data


def split(data: bytes) -> tuple[list[Field], bytes] | None:
    """Return the header's fields and the body of *data*, as ``message.read`` does.

    Lines end in LF here and there.
    """
    if data.startswith((b"From ", b">From ")):
        return None
    fields: list[Field] = []
    start = 0
    while start < len(data):
        end = data.index(b"\n", start) + 1
        line = data[start:end]
        if line == b"\n":
            return fields, data[end:]
        if line[0] in b" \t":
            if not fields:
                break
            fields[-1] = (fields[-1][0], fields[-1][1] + line)
        else:
            name, colon, _ = line.partition(b":")
            name = name.rstrip(b" \t")
            if not colon or not name or name.translate(None, _FIELD_NAME):
                break
            fields.append((name.lower(), line))
        start = end
    return fields, data[start:]


def value_of(field: Field) -> bytes:
    """Return a field's value, unfolded."""
    return field[1].partition(b":")[2].replace(b"\n", b"").strip(b" \t")


def missing_fields(
    present: set[bytes], *, sender: bytes, date: bytes, message_id: bytes
) -> bytes:
    """Return From, Date and Message-ID, CRLF behind each, but what is *present*."""
    wanted = ((b"From", sender), (b"Date", date), (b"Message-ID", message_id))
    return b"".join(
        b"%s: %s\r\n" % (name, value)
        for name, value in wanted
        if name.lower() not in present
    )


def message_id(now: float, token: str, host: bytes) -> bytes:
    """Return a Message-ID; *token* is random."""
    return b"<%d.%s@%s>" % (now, token.encode(), host)


def from_value(address: bytes, full_name: str) -> bytes | None:
    """Return what ``headers.from_value`` does, of a name that needs no quotes."""
    if not full_name.isascii() or len(full_name) > LONG_NAME or "=?" in full_name:
        return None
    name = full_name.encode().strip(b" ")
    if name.translate(None, _PHRASE):
        return None
    return b"%s <%s>" % (name, address) if name else address


def user(uid: int) -> tuple[str, str]:
    """Return the login and the full name that mail of *uid* comes from."""
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:  # a container's uid: mail from it still goes out
        return f"uid{uid}", ""
    login, name = entry.pw_name, entry.pw_gecos.partition(",")[0]
    return login, name.replace("&", login.capitalize())


def date_value(instant: float, utc_offset: int = 0) -> bytes:
    """Return a date-time (RFC 5322 §3.3); *utc_offset* in seconds east."""
    local = time.gmtime(instant + utc_offset)
    sign, minutes = b"-" if utc_offset < 0 else b"+", abs(utc_offset) // 60
    return b"%s, %d %s %d %02d:%02d:%02d %s%02d%02d" % (
        _DAYS[local.tm_wday],
        local.tm_mday,
        _MONTHS[local.tm_mon - 1],
        local.tm_year,
        local.tm_hour,
        local.tm_min,
        local.tm_sec,
        sign,
        minutes // 60,
        minutes % 60,
    )
