"""A small seeded shop that does not exist: what it sells, who comes, what they do. For demonstrations and tests.

Files leave here in the form in which a user's files arrive, and take the same way in. No clock, no global randomness:
the same seed and end give the same bytes.
"""

from endcap.simulation.shop import Guest, Written, showcase, write_shop

__all__ = ["Guest", "Written", "showcase", "write_shop"]
