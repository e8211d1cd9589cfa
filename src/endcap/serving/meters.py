"""What the server counts, for Prometheus. Few labels, none of them an id."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_SECONDS = (0.0005, 0.001, 0.002, 0.003, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.25, 1.0)


class Meters:
    """One registry per server, so that two servers in one process do not mix."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.answers = Counter(
            "endcap_answers", "HTTP answers by route and status class", ["route", "status"], registry=self.registry
        )
        self.slates = Counter(
            "endcap_slates", "Lists answered, by rung of the ladder", ["rung"], registry=self.registry
        )
        self.short = Counter("endcap_short_slates", "Lists with fewer than k items", registry=self.registry)
        self.degraded = Counter("endcap_degradations", "Degradation codes of lists", ["code"], registry=self.registry)
        self.recommend_seconds = Histogram(
            "endcap_recommend_seconds", "From the parsed call to the decision", buckets=_SECONDS, registry=self.registry
        )
        self.waited_seconds = Histogram(
            "endcap_waited_seconds",
            "From the whole body to the start of work",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.shed = Counter(
            "endcap_shed_requests", "Requests refused because too many were in progress", registry=self.registry
        )
        self.events = Counter("endcap_events", "Events posted, by outcome", ["outcome"], registry=self.registry)
        self.late_times = Counter(
            "endcap_future_events",
            "Events whose time lay over 5 minutes ahead and became the time of receipt",
            registry=self.registry,
        )
        self.decisions_lost = Counter(
            "endcap_decisions_lost", "Decisions dropped before they were in the log", registry=self.registry
        )
        self.decisions_waiting = Gauge(
            "endcap_decisions_waiting", "Decisions not yet in the log", registry=self.registry
        )
        self.in_flight = Gauge("endcap_requests_in_flight", "Requests in progress", registry=self.registry)
        self.snapshots = Counter(
            "endcap_snapshot_changes",
            "Snapshots that the label pointed to, by what came of them",
            ["outcome"],
            registry=self.registry,
        )
        self.refreshes = Counter(
            "endcap_refreshes", "Refreshes started by the server, by what came of them", ["outcome"],
            registry=self.registry,
        )  # fmt: skip
        self.ready = Gauge(
            "endcap_ready", "1 while lists are answered from a verified snapshot", registry=self.registry
        )
        self.shelf_offset = Gauge(
            "endcap_shelf_offset", "Log offset up to which the shelf is folded", registry=self.registry
        )

    def text(self) -> bytes:
        """All figures in Prometheus' text format."""
        return generate_latest(self.registry)
