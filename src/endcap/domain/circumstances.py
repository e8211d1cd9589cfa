"""How people come: by which device and over which way, as closed sets, so that neither says who came."""

import re
from typing import Final

DEVICES: Final = ("desktop", "mobile", "tablet", "tv", "app")
REFERRERS: Final = ("direct", "search_engine", "newsletter", "social", "price_comparison", "other")

_SAME: Final = {
    "phone": "mobile", "smartphone": "mobile", "web": "desktop", "computer": "desktop", "smart tv": "tv",
    "connected tv": "tv", "(direct)": "direct", "(none)": "direct", "none": "direct", "organic": "search_engine",
    "search": "search_engine", "email": "newsletter", "e-mail": "newsletter",
}  # fmt: skip
_HOSTS: Final = tuple(
    (way, re.compile(rf"(^|\.)({names})(\.|$)"))
    for way, names in {
        "newsletter": r"mail|webmail|outlook\.live|outlook\.office|newsletter",
        "search_engine": "google|bing|duckduckgo|ecosia|qwant|startpage|yahoo|yandex|baidu|seznam|naver",
        "social": r"facebook|fb|instagram|pinterest|tiktok|youtube|reddit|linkedin|twitter|x\.com|t\.co|whatsapp|vk",
        "price_comparison": "idealo|geizhals|billiger|guenstiger|pricerunner|kelkoo|toppreise|skroutz|ceneo|pricespy",
    }.items()
)


def device_of(given: str) -> str:
    """One of DEVICES, empty where `given` names none.

    >>> device_of("Mobile"), device_of("smart tv"), device_of("fridge")
    ('mobile', 'tv', '')
    """
    name = given.strip().lower()
    name = _SAME.get(name, name)
    return name if name in DEVICES else ""


def referrer_of(given: str) -> str:
    """Which of REFERRERS an address, a host or a name of a channel is; empty where nothing is given.

    >>> referrer_of("https://www.google.de/search?q=tent"), referrer_of("mail.google.com"), referrer_of("blog.example")
    ('search_engine', 'newsletter', 'other')
    >>> referrer_of("newsletter"), referrer_of("(direct)"), referrer_of("")
    ('newsletter', 'direct', '')
    """
    name = given.strip().lower()
    name = _SAME.get(name, name)
    if not name or name in REFERRERS:
        return name
    host = re.split(r"[/?#]", name.rpartition("//")[2] if "//" in name else name, maxsplit=1)[0].rpartition("@")[2]
    host = host.partition(":")[0]
    return next((way for way, known in _HOSTS if known.search(host)), "other")
