"""Time as int64 milliseconds since 1970-01-01 UTC. Knows time zones; never reads a clock."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
SESSION_IDLE = 30 * MINUTE


def millis(moment: datetime, timezone: str = "UTC") -> int:
    """Milliseconds UTC of `moment`; a naive one is read in `timezone` (IANA name).

    >>> millis(datetime(2011, 10, 1))
    1317427200000
    >>> millis(datetime(2011, 10, 1), "Europe/London")
    1317423600000
    """
    aware = moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(timezone))
    return round(aware.timestamp() * SECOND)


def parse_day(text: str, timezone: str = "UTC") -> int:
    """Milliseconds of an ISO date or date-time; a bare date is its midnight in `timezone`.

    Raises: ValueError where `text` is neither.
    """
    return millis(datetime.fromisoformat(text), timezone)


def day_of(instant: int) -> date:
    """The UTC calendar day of `instant`."""
    return datetime.fromtimestamp(instant // SECOND, UTC).date()


def iso(instant: int) -> str:
    """`instant` as ISO 8601 with milliseconds and `Z`.

    >>> iso(1317427200123)
    '2011-10-01T00:00:00.123Z'
    """
    moment = datetime.fromtimestamp(instant // SECOND, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{instant % SECOND:03d}Z"
