"""The words of an expression, and the error that points at one of them. Does not know their order."""

import re
from typing import Final, Literal, NamedTuple, TypeAlias

from endcap.errors import EndcapError
from endcap.expressions.nodes import RESERVED

MAX_LENGTH: Final = 10_000
_SHOWN: Final = 60

TokenKind: TypeAlias = Literal["number", "text", "name", "quoted", "word", "sign", "end"]


class InvalidExpression(EndcapError):
    """An expression that cannot be read, or does not fit the columns; `position` counts characters from 0.

    >>> print(InvalidExpression("unknown column 'prize'; did you mean price?", "prize > 5", 0))
    unknown column 'prize'; did you mean price? (at character 1)
      prize > 5
      ^
    """

    def __init__(self, message: str, source: str, position: int) -> None:
        self.message, self.source, self.position = message, source, position
        start = max(0, position - _SHOWN)
        line = source[start : position + _SHOWN].replace("\n", " ").replace("\t", " ")
        super().__init__(f"{message} (at character {position + 1})\n  {line}\n  {' ' * (position - start)}^")


class Token(NamedTuple):
    """One word: `value` without quotes, keywords in capitals; `at` is where it starts."""

    kind: TokenKind
    value: str
    at: int


_TOKEN: Final = re.compile(
    r"""(?P<space>\s+)
      | (?P<number>(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?(?![\w.]))
      | (?P<text>'(?:[^']|'')*')
      | (?P<quoted>"(?:[^"]|"")+")
      | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
      | (?P<sign><=|>=|<>|!=|=(?!=)|[-+*/%<>(),])""",
    re.VERBOSE | re.ASCII,
)


def tokens(source: str) -> list[Token]:
    """The words of `source`, an `end` last. Raises InvalidExpression where something is no word."""
    if len(source) > MAX_LENGTH:
        raise InvalidExpression(
            f"the expression has {len(source):,} characters; at most {MAX_LENGTH:,} are read, so split it",
            source,
            MAX_LENGTH,
        )
    found = []
    position = 0
    while position < len(source):
        match = _TOKEN.match(source, position)
        if match is None:
            raise InvalidExpression(_complaint(source, position), source, position)
        if match.lastgroup != "space":
            found.append(_token(match))
        position = match.end()
    return [*found, Token("end", "", len(source))]


def _token(match: re.Match[str]) -> Token:
    value = match.group()
    match match.lastgroup:
        case "text":
            return Token("text", value[1:-1].replace("''", "'"), match.start())
        case "quoted":
            return Token("quoted", value[1:-1].replace('""', '"'), match.start())
        case "number":
            return Token("number", value, match.start())
        case "sign":
            return Token("sign", "!=" if value == "<>" else value, match.start())
        case _:
            word = value.upper() in RESERVED
            return Token("word" if word else "name", value.upper() if word else value, match.start())


def _complaint(source: str, position: int) -> str:
    character = source[position]
    if character in "'\"":
        return f"the quote {character} is never closed; write it twice to mean itself inside quotes"
    if character.isdigit() or character == ".":
        return 'not a number; write 12 or 1.5, and names that begin with a digit in double quotes, as "3d"'
    if source.startswith("==", position):
        return "== is not an operator; write ="
    if character.isidentifier():
        return f"{character!r} cannot stand in a bare name; put the column's name in double quotes"
    return f"{character!r} is not part of an expression; texts stand in 'single', columns in \"double\" quotes"
