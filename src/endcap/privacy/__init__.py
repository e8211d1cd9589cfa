"""People: who is who behind visitor ids and logins, what is kept about one of them, and how it is forgotten.

Works on keyed hashes and on the log; reads no files of its own and no clock.
"""

from endcap.privacy.identity import Identities, open_identities

__all__ = ["Identities", "open_identities"]
