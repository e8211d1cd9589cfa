"""The browser tracker that any shop can put into its pages, and the pages of a shop for trying out.

Server-rendered, readable without scripts, answered from the open shop in process. Knows pages, pictures, forms and
files for browsers. Does not know how a list is made, nor what becomes of the events that are told.
"""

from endcap.storefront.routes import storefront
from endcap.storefront.tracker import tracker_routes
from endcap.storefront.visitor import Persona
from endcap.storefront.visits import Terms

__all__ = ["Persona", "Terms", "storefront", "tracker_routes"]
