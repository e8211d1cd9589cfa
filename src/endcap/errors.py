"""The one family of errors. Every message says what was given, what was expected and the remedy."""


class EndcapError(Exception):
    """Base of every error that Endcap raises on purpose; its text is fit to show to a user."""


class InvalidRequest(EndcapError):
    """A call over HTTP or on the command line that cannot be answered as it stands."""


class InvalidSettings(EndcapError):
    """A settings file or variable that names what does not exist or gives an impossible value."""


class InvalidFeed(EndcapError):
    """A file, mapping or expression that cannot be read as catalog or events."""


class InvalidPolicy(EndcapError):
    """A policy that contradicts itself or names what does not exist."""


class SnapshotRejected(EndcapError):
    """A snapshot that is damaged, unsigned, foreign to this shop or of another format."""


class BackendUnavailable(EndcapError):
    """A log, store or registry that cannot be reached, or is held by another process."""


class GateRefused(EndcapError):
    """A training or release step that found too little, or too bad, to go on."""
