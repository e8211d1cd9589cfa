"""The operators' web pages, behind the admin key: what a list is made of, and how two of them differ.

Knows pages and who is signed in. Does not know how lists are made: it asks the desk, and nothing that an operator looks
at counts as shown.
"""

from endcap.console.routes import console_routes

__all__ = ["console_routes"]
