"""/health for people and load balancers, /metrics for Prometheus. Neither says anything about a patient."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import flask
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import func, select

from config.database import Database
from gateway.health import Health
from scp.counters import totals
from worklist.models import Case, Delivery, Trouble


def create_blueprint(health: Health, counters: Path) -> flask.Blueprint:
    """Both routes. Without authentication: a balancer has none; what is said is counts."""
    blueprint = flask.Blueprint("operations", __name__)
    registry = CollectorRegistry()
    registry.register(_Numbers(health, counters))

    @blueprint.get("/health")
    def whole() -> tuple[flask.Response, int]:
        checks = health.checks()
        healthy = all(check.ok for check in checks if check.vital)
        state = "ok" if all(check.ok for check in checks) else ("degraded" if healthy else "failing")
        parts = {check.part: {"ok": check.ok, "detail": check.detail} for check in checks}
        return flask.jsonify({"status": state, "parts": parts}), 200 if healthy else 503

    @blueprint.get("/metrics")
    def numbers() -> flask.Response:
        return flask.Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)

    return blueprint


class _Numbers(Collector):
    """Asked anew at each scrape; nothing is counted in this process."""

    def __init__(self, health: Health, counters: Path) -> None:
        self._health, self._counters = health, counters

    def collect(self) -> Iterator[Metric]:
        """All numbers."""
        for what, count in totals(self._counters).items():
            yield CounterMetricFamily(f"overread_receiver_{what}", f"Receiver: {what.replace('_', ' ')}", value=count)
        up = GaugeMetricFamily("overread_up", "Whether a part works", labels=["part"])
        for check in self._health.checks():
            up.add_metric([check.part], float(check.ok))
        yield up
        backlog = self._health.inbox.backlog()
        yield GaugeMetricFamily("overread_inbox_instances", "Instances that wait for the archive", value=backlog.count)
        yield GaugeMetricFamily("overread_inbox_bytes", "Bytes that wait for the archive", value=backlog.bytes)
        yield from _rows(self._health.database)


def _rows(database: Database) -> Iterator[Metric]:
    cases = GaugeMetricFamily("overread_cases", "Cases by state", labels=["state"])
    deliveries = GaugeMetricFamily("overread_deliveries", "Deliveries by state", labels=["state"])
    troubles = GaugeMetricFamily("overread_troubles", "Refused or quarantined objects, not looked at", labels=["kind"])
    with database.reading() as session:
        for case_state, count in session.execute(select(Case.state, func.count()).group_by(Case.state)):
            cases.add_metric([case_state], count)
        for delivery_state, count in session.execute(select(Delivery.state, func.count()).group_by(Delivery.state)):
            deliveries.add_metric([delivery_state], count)
        open_troubles = select(Trouble.kind, func.count()).where(Trouble.resolved_at.is_(None)).group_by(Trouble.kind)
        for kind, count in session.execute(open_troubles):
            troubles.add_metric([kind], count)
    yield from (cases, deliveries, troubles)
