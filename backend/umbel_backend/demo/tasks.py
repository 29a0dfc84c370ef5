"""What the demo's shop does. Work is waiting; only its arguments decide whether it ends well.

So `umbel_backend.demo.traffic` can order a success, a retry or a failure by what it sends.
"""

# Celery ships no types, so that every one of its decorators is untyped.
# mypy: disallow-untyped-decorators=False

from __future__ import annotations

import random
import smtplib
import time
from collections.abc import Iterator
from typing import Any

from celery.exceptions import SoftTimeLimitExceeded
from celery.utils.log import get_task_logger

from umbel_backend.demo.app import app

log = get_task_logger(__name__)

GATEWAY_DOWN = "pay-eu-2.example"
"""Answers nothing for the first two attempts, and nothing at all to orders divisible by three."""
BOUNCING_HOST = "@bounce.example"
BROKEN_FILE = "customers-broken.csv"


class PaymentDeclined(Exception):
    """The bank said no; trying again would not help."""


class GatewayTimeout(Exception):
    """The payment gateway did not answer; trying again may help."""


def _work(shortest_s: float, longest_s: float) -> float:
    """Take some time, as input and output would, and return how long."""
    took = random.uniform(shortest_s, longest_s)
    time.sleep(took)
    return round(took, 3)


def _reporting(task: Any, total: int, step_s: float) -> Iterator[int]:
    """Yield 1 to ``total``, one every ``step_s``, reporting each by plain ``update_state``."""
    for current in range(1, total + 1):
        time.sleep(step_s)
        task.update_state(state="PROGRESS", meta={"current": current, "total": total})
        yield current


@app.task(name="mail.send")
def send_mail(to: str, template: str, user_id: int | None = None) -> dict[str, Any]:
    """Deliver one mail; hosts that bounce refuse it, and one old template is broken."""
    body = _render(template, {"name": to.partition("@")[0]})
    _work(0.04, 0.25)
    if to.endswith(BOUNCING_HOST):
        raise smtplib.SMTPRecipientsRefused({to: (550, b"5.1.1 mailbox unavailable")})
    log.info("delivered %s to %s", template, to)
    return {"to": to, "template": template, "bytes": len(body)}


def _render(template: str, values: dict[str, str]) -> str:
    text = "Dear {first_name}" if template == "welcome-2019" else "Dear {name}"
    return text.format(**values)


@app.task(name="mail.newsletter", ignore_result=True)
def newsletter(to: str, issue: int) -> None:
    """Deliver one copy of a newsletter."""
    _work(0.02, 0.15)


@app.task(name="mail.remind")
def remind(user_id: int, basket: list[str]) -> str:
    """Remind someone of a basket left behind; sent ahead of time with a countdown."""
    _work(0.05, 0.2)
    return f"reminded user {user_id} of {len(basket)} articles"


@app.task(
    name="billing.capture",
    autoretry_for=(GatewayTimeout,),
    max_retries=3,
    retry_backoff=1,
    retry_backoff_max=8,
    bind=True,
)
def capture(
    self: Any, order_id: int, amount: str, gateway: str, user_id: int | None = None
) -> dict[str, Any]:
    """Take the money for an order, again with a growing pause if the gateway does not answer."""
    _work(0.08, 0.5)
    log.info("order %d: asking %s for %s EUR", order_id, gateway, amount)
    try:
        _ask_gateway(gateway, order_id, attempt=int(self.request.retries) + 1)
    except GatewayTimeout:
        log.warning("order %d: %s did not answer", order_id, gateway)
        raise
    if amount == "0.00":
        raise PaymentDeclined(f"order {order_id}: issuer declined the card (code 05)")
    return {"order": order_id, "captured": amount, "gateway": gateway}


def _ask_gateway(host: str, order_id: int, attempt: int) -> None:
    if host != GATEWAY_DOWN or (attempt > 2 and order_id % 3):
        return
    try:
        raise TimeoutError(f"read timed out after 0.5 s: {host}:443")
    except TimeoutError as error:
        raise GatewayTimeout(f"no answer from {host} for order {order_id}") from error


@app.task(name="catalog.resize_image")
def resize_image(product_id: int, size: str) -> str:
    """Make one size of a product's picture; several of them form a group."""
    _work(0.08, 0.4)
    return f"products/{product_id}/{size}.webp"


@app.task(name="search.index_product", rate_limit="20/s")
def index_product(product_id: int) -> int:
    """Put a product into the search index."""
    _work(0.01, 0.08)
    return product_id


@app.task(name="prices.flash_sale")
def flash_sale(product_id: int, percent: int) -> str:
    """Lower a price for some minutes; worthless when late, so it is sent with an expiry."""
    _work(0.05, 0.1)
    return f"product {product_id} at -{percent} %"


@app.task(name="inventory.sync")
def sync_inventory(warehouse: str, api_key: str = "") -> dict[str, int]:
    """Compare stock with a warehouse; beat sends it."""
    _work(0.1, 0.6)
    return {"articles": 1840, "changed": random.randint(0, 40)}


@app.task(name="imports.load_customers", bind=True)
def load_customers(self: Any, file: str, rows: int, user_id: int | None = None) -> dict[str, Any]:
    """Read a file of customers, reporting progress; the broken one ends in the middle."""
    blocks = 20
    for block in _reporting(self, blocks, step_s=rows / blocks / 1000):
        # Scripts that became tasks print; the agent takes that for what it is, a line of the log.
        print(f"{file}: {block * rows // blocks} of {rows} rows")
        if file == BROKEN_FILE and block == 13:
            _parse_row(line=block * rows // blocks, text="4711;Gr\\xfcn;;n/a")
    log.info("loaded %d rows from %s", rows, file)
    return {"file": file, "rows": rows, "skipped": 0}


def _parse_row(line: int, text: str) -> float:
    try:
        return float(text.split(";")[3])
    except ValueError as error:
        raise ValueError(f"{BROKEN_FILE}, line {line}: column 'balance' is not a number") from error


@app.task(name="reports.sales")
def report_sales(region: str, period: str) -> dict[str, Any]:
    """Add up the sales of one region; the header of a chord, or alone from beat."""
    _work(0.4, 2.5)
    return {"region": region, "period": period, "total": random.randint(10_000, 90_000)}


@app.task(name="reports.summary")
def report_summary(parts: list[dict[str, Any]], period: str) -> dict[str, Any]:
    """Put the regions together: the body of a chord."""
    _work(0.3, 1.0)
    return {"period": period, "regions": len(parts), "total": sum(p["total"] for p in parts)}


@app.task(name="reports.full_export", soft_time_limit=6, time_limit=20)
def full_export(tables: list[str]) -> int:
    """Export whole tables; with many of them it runs into its soft time limit."""
    written = 0
    try:
        for table in tables:
            _work(1.0, 1.6)
            log.info("table %s written", table)
            written += len(table) * 1000
    except SoftTimeLimitExceeded:
        log.warning("gave up after %d rows", written)
        raise
    return written


@app.task(name="media.transcode", bind=True)
def transcode(self: Any, video: str, preset: str, seconds: int) -> dict[str, Any]:
    """Convert a video: minutes of work that reports progress every second."""
    frames = 0
    for second in _reporting(self, seconds, step_s=1.0):
        frames += 25
        log.info("%s: %d frames, %s", video, frames, preset)
        if second % 30 == 0:
            log.warning("%s: sound is %d ms late", video, second)
    return {"video": video, "preset": preset, "frames": frames}


@app.task(name="deploy.build")
def build(*, deployment_id: str, service: str) -> str:
    """Build a service's image: first of a chain."""
    _work(0.8, 2.5)
    return f"registry.example/{service}:{deployment_id}"


@app.task(name="deploy.roll_out", bind=True)
def roll_out(self: Any, image: str, *, deployment_id: str, instances: int) -> int:
    """Replace the instances one by one: second of a chain."""
    for instance in _reporting(self, instances, step_s=0.6):
        log.info("%s: instance %d of %d runs %s", deployment_id, instance, instances, image)
    return instances


@app.task(name="deploy.check_health")
def check_health(instances: int, *, deployment_id: str, healthy: bool = True) -> str:
    """Ask every instance how it is: last of a chain, and where a bad deployment is found out."""
    _work(0.3, 1.2)
    if not healthy:
        raise RuntimeError(f"{deployment_id}: 1 of {instances} instances answers 503 after 30 s")
    return "healthy"


@app.task(name="maintenance.clean_up", ignore_result=True)
def clean_up(older_than_days: int) -> None:
    """Delete what is too old; beat sends it."""
    _work(0.5, 2.0)
