"""Names as they leave the program, for file names, terminals, XML and Markdown: escaped in this one place."""

from __future__ import annotations

import hashlib
import html
import re
import unicodedata
from collections.abc import Callable, Sequence

MAX_FILE_BYTES = 120
"""A file system takes 255 bytes; endings, numbers and encryption take some of them."""

MAX_SLUG = 60
_FORBIDDEN = frozenset('<>:"/\\|?*%')  # Windows and POSIX; % starts an escape
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\.|$)", re.IGNORECASE)
_NOT_TEXT = frozenset(("Cc", "Cf", "Cs", "Zl", "Zp"))
_JOINERS = frozenset("\u200c\u200d")  # part of words in several scripts
_LETTERS = {
    "ß": "ss", "ẞ": "SS", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L",
    "đ": "d", "Đ": "D", "ð": "d", "Ð": "D", "þ": "th", "Þ": "Th", "\u0131": "i", "ħ": "h", "Ħ": "H", "ŋ": "n",
}  # fmt: skip
"""Latin letters that Unicode does not decompose."""


def printable(text: object) -> str:
    r"""Text in which control, bidirectional and other invisible characters are seen as escapes such as `\x1b`.

    The result is one line, safe to print on a terminal and legal in XML 1.0.
    """
    return "".join(c if _is_text(c) else c.encode("unicode_escape").decode("ascii") for c in str(text))


def _is_text(character: str) -> bool:
    if character in _JOINERS:
        return True
    return unicodedata.category(character) not in _NOT_TEXT and ord(character) & 0xFFFE != 0xFFFE


def markdown(text: object) -> str:
    """Text that Markdown shows as it is, on one line: no markup, no HTML, no end of a table's cell."""
    plain = html.escape(" ".join(str(text).split()), quote=False)
    return re.sub(r"([\\`*|\[\]~#]|(?<!\w)_|_(?!\w))", r"\\\1", printable(plain))


def markdown_code(text: object) -> str:
    """Text as a code span, in a table too."""
    plain = printable(" ".join(str(text).split())).replace("|", "\\|")
    longest = max(map(len, re.findall("`+", plain)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if plain.startswith("`") or plain.endswith("`") or not plain else ""
    return f"{fence}{pad}{plain}{pad}{fence}"


def ascii_text(text: str) -> str:
    """Text in ASCII: accents are taken off (`été` is `ete`), letters of other scripts are `u` and their number.

    Letters and numbers never vanish, so that texts of them which differ in more than accents stay apart.
    """
    parts = []
    for character in unicodedata.normalize("NFKD", "".join(_LETTERS.get(c, c) for c in text)):
        if character.isascii():
            parts.append(character)
        elif not unicodedata.combining(character):
            parts.append(f"u{ord(character):x}" if character.isalnum() else "-")
    return "".join(parts)


def slug(text: str, default: str) -> str:
    """A short lower-case name of letters, digits, `_`, `.` and single `-`; `default` if nothing is left."""
    made = re.sub(r"[^a-z0-9_.-]+", "-", ascii_text(text).lower()).strip("-._")
    if len(made) > MAX_SLUG:
        made = f"{made[: MAX_SLUG - 9].rstrip('-._')}-{_digest(text)}"
    return made or default


def file_names(names: Sequence[str]) -> list[str]:
    """Names of files or folders for `names`, in order: distinct everywhere, and legal on Linux, macOS and Windows.

    Most names stay as they are. What file systems or readers of folders refuse is written as in URLs (`a/b` is
    `a%2Fb`); names over 120 bytes are cut and get a part of their hash; those that differ in case or in the
    form of accents alone get a number. `urllib.parse.unquote` undoes the first; a table beside the files, the rest.
    """
    return distinct([_file_name(name) for name in names], lambda name: unicodedata.normalize("NFC", name).casefold())


def distinct(names: Sequence[str], key: Callable[[str], str] = str) -> list[str]:
    """The same names, with a number behind those whose `key` another one has already."""
    used = {key(name) for name in names}
    seen: set[str] = set()
    found = []
    for name in names:
        made, n = name, 2
        while key(made) in seen or (made != name and key(made) in used):
            made, n = f"{name} ({n})", n + 1
        seen.add(key(made))
        found.append(made)
    return found


def _file_name(name: str) -> str:
    text = unicodedata.normalize("NFC", name)
    made = "".join(c if _is_text(c) and c not in _FORBIDDEN else _percent(c) for c in text)
    if len(made.encode("utf-8", "surrogatepass")) > MAX_FILE_BYTES:
        kept = made.encode()[: MAX_FILE_BYTES - 9].decode("utf-8", "ignore")
        made = f"{re.sub('%[0-9A-F]?$', '', kept)}-{_digest(name)}"
    if made[:1] in (".", " ") or made.startswith("__") or _RESERVED.match(made):  # hidden, or left out by HF datasets
        made = _percent(made[0]) + made[1:]
    if made[-1:] in (".", " "):
        made = made[:-1] + _percent(made[-1])
    return made or "%"


def _percent(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode("utf-8", "surrogatepass"))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
