"""The few settings that plain mail needs, read at a glance from a plain file.

``tuiq-sendmail`` does without the TOML parser and the kinds of settings, which take
longer to load than the rest of its work, where the lines of ``[spool]`` and
``[submission]`` have one obvious meaning.  For any other file the answer is None,
and ``loader`` reads it and tells what is wrong.  The other sections are passed over:
a mistake there is no reason to refuse mail.
"""

import posix

SECTIONS = (
    *("spool", "submission", "delivery", "retry", "bounce", "runner", "journal"),
    "metrics",
)
"""The sections of the file, in the order in which they are written."""
RESERVED = frozenset({"drop", "reject", "pauses", "run", "journal", "audit"})
"""Names beside the queue directories that no queue pattern may match."""
SYSTEM_FILE = "/etc/tuiq/tuiq.toml"
MEBIBYTE = 1024 * 1024
MIN_FREE_PERCENT = 5.0
MIN_FREE_BYTES = 512 * MEBIBYTE
MIN_FREE_INODES = 10_000
MAX_MESSAGE_BYTES = 50 * MEBIBYTE
MAX_RECIPIENTS = 100_000
MAX_HOPS = 50

Value = str | int | bool
_LARGEST = 65536
_HOST = frozenset("0123456789-abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")


class Glance:
    """The settings that handing in plain mail goes by, all of them valid."""

    __slots__ = (
        "hostname", "max_hops", "max_message_bytes", "max_recipients",
        "min_free_bytes", "min_free_inodes", "min_free_percent", "origin", "spool",
    )  # fmt: skip

    def __init__(self, spool: str, values: dict[str, int]) -> None:
        """Take the spool's path, and the numbers that the file names."""
        self.spool = spool
        self.hostname = self.origin = ""
        self.min_free_percent = values.get("min_free_percent", MIN_FREE_PERCENT)
        self.min_free_bytes = values.get("min_free_bytes", MIN_FREE_BYTES)
        self.min_free_inodes = values.get("min_free_inodes", MIN_FREE_INODES)
        self.max_message_bytes = values.get("max_message_bytes", MAX_MESSAGE_BYTES)
        self.max_recipients = values.get("max_recipients", MAX_RECIPIENTS)
        self.max_hops = values.get("max_hops", MAX_HOPS)


def look(environ: dict[bytes, bytes]) -> Glance | None:
    """Return the settings of the file that ``loader.find`` would choose."""
    path = find(environ)
    if path is None:
        return None
    fd = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)
    try:
        raw = posix.read(fd, _LARGEST)
    finally:
        posix.close(fd)
    if len(raw) == _LARGEST or b'"""' in raw or b"'''" in raw:
        return None
    return read(raw.decode(), path.rpartition("/")[0] or "/")


def find(environ: dict[bytes, bytes]) -> str | None:
    """Return the absolute path of the file; None where that takes thought."""
    named = environ.get(b"TUIQ_CONFIG", b"").decode()
    if named:
        return named if named[0] == "/" else f"{posix.getcwd()}/{named}"
    if _exists("tuiq.toml"):
        # Root follows no file that it merely came across: ``loader`` looks closer.
        return f"{posix.getcwd()}/tuiq.toml" if posix.geteuid() else None
    home = environ.get(b"HOME", b"").decode()
    settings = environ.get(b"XDG_CONFIG_HOME", b"").decode() or f"{home}/.config"
    if settings[0] != "/" or not home:
        return None
    own = f"{settings}/tuiq/tuiq.toml"
    return own if _exists(own) else SYSTEM_FILE


def _exists(path: str) -> bool:
    try:
        posix.lstat(path)
    except OSError:
        return False
    return True


def read(text: str, base: str) -> Glance | None:
    """Return what *text* sets; paths in it are relative to *base*."""
    sections = _sections(text)
    if sections is None:
        return None
    spool = _spool(sections.get("spool", {}).pop("queues", ""), base)
    values = _values(sections)
    names = sections.get("submission", {})
    hostname, origin = names.pop("hostname", ""), names.pop("origin", "")
    if spool is None or values is None or any(sections.values()):
        return None
    if not (_is_domain(hostname) and _is_domain(origin)):
        return None
    glance = Glance(spool, values)
    glance.hostname = str(hostname) or host_name(posix.uname().nodename)
    glance.origin = str(origin) or glance.hostname
    return glance if glance.hostname.isascii() else None


def _sections(text: str) -> dict[str, dict[str, Value]] | None:
    """Return the keys and plain values of the two sections that matter."""
    found: dict[str, dict[str, Value]] = {}
    name = ""
    for raw in text.split("\n"):
        line = raw.strip(" \t\r")
        if line[:1] in ("", "#"):
            continue
        if line[0] == "[":
            header = line.partition("#")[0].rstrip(" \t")
            name = header.strip("[]").partition(".")[0]
            matters = name in ("spool", "submission")
            if name not in SECTIONS or (
                matters and (name in found or header != f"[{name}]")
            ):
                return None
            found[name] = {}
        elif name in ("spool", "submission"):
            key, _, rest = line.partition("=")
            key, value = key.rstrip(" \t"), _value(rest.strip(" \t"))
            if value is None or key in found[name]:
                return None
            found[name][key] = value
        elif not name:
            return None
    return found


def _value(text: str) -> Value | None:
    """Return a string without escapes, a whole number or a truth value."""
    if text[:1] == '"':
        value, quote, rest = text[1:].partition('"')
        plain = quote and value.isascii() and value.isprintable() and "\\" not in value
        return value if plain and rest.strip(" \t")[:1] in ("", "#") else None
    word = text.partition("#")[0].rstrip(" \t")
    if word in ("true", "false"):
        return word == "true"
    fits = word.isdecimal() and word.isascii() and len(word) < 10
    return int(word) if fits and (word == "0" or word[0] != "0") else None


_NUMBERS = {
    ("spool", "min_free_percent"): (0, 50),
    ("spool", "min_free_bytes"): (0, 1 << 50),
    ("spool", "min_free_inodes"): (0, 1_000_000_000),
    ("submission", "max_message_bytes"): (1024, 1 << 50),
    ("submission", "max_recipients"): (1, 1_000_000),
    ("submission", "max_hops"): (1, 1000),
}
_NO_MATTER: dict[tuple[str, str], tuple[Value, ...]] = {
    ("spool", "durability"): ("group", "each", "none"),
    ("spool", "in_doubt"): ("retry", "hold"),
    ("submission", "aliases"): ("",),
    ("submission", "received_header"): (True, False),
}
"""Settings that change nothing here while they have one of these values."""


def _values(sections: dict[str, dict[str, Value]]) -> dict[str, int] | None:
    """Take the numbers and what does not matter out of *sections*."""
    for (section, key), harmless in _NO_MATTER.items():
        value = sections.get(section, {}).get(key)
        if (type(value), value) in [(type(each), each) for each in harmless]:
            del sections[section][key]
    values: dict[str, int] = {}
    for (section, key), (least, most) in _NUMBERS.items():
        value = sections.get(section, {}).pop(key, None)
        if value is None:
            continue
        number = _number(value, is_size=key.endswith("_bytes"))
        if number is None or not least <= number <= most:
            return None
        values[key] = number
    return values


def _number(value: Value, *, is_size: bool) -> int | None:
    """Return a whole number, or a size such as ``50M``, in bytes."""
    if isinstance(value, str) and is_size:
        shift = {"K": 10, "M": 20, "G": 30}.get(value[-1:])
        digits = value[:-1]
        fits = shift and digits.isdecimal() and len(digits) < 10
        return int(digits) << shift if fits and shift else None
    return value if type(value) is int else None


def _spool(queues: Value, base: str) -> str | None:
    """Return the spool that holds *queues*."""
    if not isinstance(queues, str) or queues[:1] in ("", "~") or "\\" in base:
        return None
    path = queues if queues[0] == "/" else f"{base}/{queues}"
    spool, _, last = path.rpartition("/")
    if any(mark in spool for mark in "*?["):
        return None
    start = last.partition("*")[0].partition("?")[0].partition("[")[0]
    if last in ("", ".", "..") or any(name.startswith(start) for name in RESERVED):
        return None
    return spool or "/"


def _is_domain(value: Value) -> bool:
    """Say whether *value* is a usual host name, or empty."""
    if not isinstance(value, str) or len(value) > 253:
        return False
    labels = value.split(".") if value else []
    fits = all(0 < len(each) < 64 and each == each.strip("-") for each in labels)
    return fits and _HOST.issuperset("".join(labels))


def host_name(name: str, hosts: str = "/etc/hosts") -> str:
    """Return this host's *name*, qualified where the host itself knows how.

    Never asks the DNS: submission must not wait for it.  ``tuiq init`` does, and
    writes the answer down.
    """
    if "." in name:
        return name
    try:
        with open(hosts, encoding="utf-8", errors="replace") as file:
            lines = file.read().splitlines()
    except OSError:
        lines = []
    for line in lines:
        names = line.partition("#")[0].split()[1:]
        qualified = [n for n in names if n.startswith(f"{name}.")]
        if name in names and qualified:
            return qualified[0]
    return name or "localhost"
