"""The demo's customers: a producer process that sends what a shop sends, by a seeded schedule.

Several streams run beside each other, each with its own rhythm. One day of the shop's orders passes
in 90 s, now and then a newsletter makes a backlog, and every two minutes a payment gateway is down
for a while.
"""

from __future__ import annotations

import argparse
import heapq
import itertools
import math
import random
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from celery import chain, chord, group
from kombu.exceptions import OperationalError

from umbel_backend.demo import tasks

PRIORITY_URGENT, PRIORITY_NORMAL, PRIORITY_LATER, PRIORITY_LAST = 0, 3, 6, 9
DAY_S = 90.0
STORM_EVERY_S, STORM_LASTS_S, FIRST_STORM_AT_S = 120.0, 15.0, 40.0
_SIZES = ("320", "640", "960", "1280", "1920", "original")
_REGIONS = ("north", "south", "east", "west")
_SERVICES = ("checkout", "search", "accounts", "gateway")


@dataclass(order=True)
class Stream:
    """Something that is sent again and again."""

    due_at: float
    """Seconds since the start."""
    number: int
    pause_s: Callable[[], float] = field(compare=False)
    """How long until the next time."""
    send: Callable[[], None] = field(compare=False)


class Shop:
    """Every kind of thing the shop sends; all choices come from one seeded generator."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.now_s = 0.0
        """Seconds since the start, set by whoever runs the streams."""
        self._orders = itertools.count(100_000)

    def streams(self) -> list[Stream]:
        """Return the streams; each of them is due once within the first seconds."""
        between = self.random.uniform
        rhythms: list[tuple[float, Callable[[], float], Callable[[], None]]] = [
            (0.0, lambda: 1 / self.orders_per_s(), self.order),
            (0.1, lambda: between(9, 15), self.pictures),
            (0.2, lambda: between(18, 30), self.customers_import),
            (0.3, lambda: between(70, 110), self.video),
            (0.5, lambda: between(16, 26), self.deployment),
            (0.7, lambda: between(20, 30), self.regional_report),
            (0.9, lambda: between(8, 14), self.reminder),
            (1.1, lambda: between(7, 12), self.flash_sale),
            (1.3, lambda: between(40, 70), self.export),
            (1.5, lambda: between(25, 45), self.bad_order),
            (12.0, lambda: between(60, 90), self.newsletter),
        ]
        return [
            Stream(due_at, number, pause_s, send)
            for number, (due_at, pause_s, send) in enumerate(rhythms)
        ]

    def orders_per_s(self) -> float:
        """Return how many orders a second this time of the shop's day brings: 3 to 7."""
        return 5.0 - 2.0 * math.cos(2 * math.pi * self.now_s / DAY_S)

    @property
    def is_stormy(self) -> bool:
        """Whether the payment gateway is down."""
        return (self.now_s - FIRST_STORM_AT_S) % STORM_EVERY_S < STORM_LASTS_S

    def order(self) -> None:
        """Send one of the small things that make up most of a shop's work."""
        kind = self.random.choices(
            ("mail", "capture", "picture", "index"), weights=(35, 25, 15, 25)
        )[0]
        user_id = self.random.randrange(1, 400)
        product_id = self.random.randrange(1, 5_000)
        if kind == "mail":
            template = self.random.choice(("order-received", "on-its-way", "password-reset"))
            urgent = template == "password-reset"
            tasks.send_mail.apply_async(
                (f"user{user_id}@mail.example", template),
                {"user_id": user_id},
                queue="high" if urgent else "default",
                priority=PRIORITY_URGENT if urgent else PRIORITY_NORMAL,
            )
        elif kind == "capture":
            self._capture(user_id, f"{self.random.uniform(5, 250):.2f}")
        elif kind == "picture":
            size = self.random.choice(_SIZES)
            tasks.resize_image.apply_async((product_id, size), priority=PRIORITY_LATER)
        else:
            tasks.index_product.apply_async((product_id,), priority=PRIORITY_LATER)

    def _capture(self, user_id: int, amount: str) -> None:
        gateway = tasks.GATEWAY_DOWN if self.is_stormy else "pay-eu-1.example"
        tasks.capture.apply_async(
            (next(self._orders), amount, gateway), {"user_id": user_id}, priority=PRIORITY_URGENT
        )

    def bad_order(self) -> None:
        """Send what fails at any time: a bounced mail, a broken template, a declined card."""
        user_id = self.random.randrange(1, 400)
        address = f"user{user_id}{tasks.BOUNCING_HOST}"
        tasks.send_mail.apply_async((address, "on-its-way"), {"user_id": user_id})
        tasks.send_mail.apply_async((f"user{user_id}@mail.example", "welcome-2019"))
        self._capture(user_id, "0.00")
        tasks.capture.apply_async((next(self._orders), "19.90", tasks.GATEWAY_DOWN))

    def pictures(self) -> None:
        """Send a group: every size of one picture."""
        product_id = self.random.randrange(1, 5_000)
        group(tasks.resize_image.s(product_id, size) for size in _SIZES).apply_async(
            priority=PRIORITY_LATER
        )

    def customers_import(self) -> None:
        """Send an import of 6 to 20 s; one in five has a bad row."""
        broken = self.random.random() < 0.2
        file = tasks.BROKEN_FILE if broken else f"customers-{self.random.randrange(100)}.csv"
        rows = self.random.randrange(6_000, 20_000)
        tasks.load_customers.apply_async((file, rows), {"user_id": 1}, priority=PRIORITY_NORMAL)

    def video(self) -> None:
        """Send a task that takes one to three minutes."""
        length_s = self.random.randrange(60, 180)
        video = f"tour-{self.random.randrange(100):02}.mov"
        tasks.transcode.apply_async((video, "1080p", length_s), priority=PRIORITY_LAST)

    def deployment(self) -> None:
        """Send a chain of three; one in six deployments turns out bad."""
        service = self.random.choice(_SERVICES)
        named = {"deployment_id": f"{service}-{self.random.randrange(16**6):06x}"}
        healthy = self.random.random() > 1 / 6
        chain(
            tasks.build.s(service=service, **named),
            tasks.roll_out.s(instances=self.random.randrange(3, 9), **named),
            tasks.check_health.s(healthy=healthy, **named),
        ).apply_async(priority=PRIORITY_URGENT)

    def regional_report(self) -> None:
        """Send a chord: four regions, then their summary."""
        period = f"2026-{self.random.randrange(1, 13):02}"
        header = [tasks.report_sales.s(region, period) for region in _REGIONS]
        chord(header)(tasks.report_summary.s(period))

    def reminder(self) -> None:
        """Send a task that waits in a worker for its time."""
        basket = self.random.sample(("shoes", "lamp", "kettle", "chair", "book"), k=3)
        countdown_s = self.random.randrange(15, 90)
        tasks.remind.apply_async(
            (self.random.randrange(1, 400), basket),
            countdown=countdown_s,
            priority=PRIORITY_LATER,
        )

    def flash_sale(self) -> None:
        """Send what expires; one in three is already too late when its time comes."""
        late = {"countdown": 4, "expires": 3} if self.random.random() < 1 / 3 else {"expires": 60}
        product_id = self.random.randrange(1, 5_000)
        tasks.flash_sale.apply_async((product_id, 20), priority=PRIORITY_NORMAL, **late)

    def export(self) -> None:
        """Send an export; with all tables it exceeds its soft time limit."""
        names = ["orders", "customers", "products", "stock", "prices", "returns", "mails"]
        many = self.random.random() < 0.4
        tasks.full_export.apply_async((names if many else names[:3],), priority=PRIORITY_LATER)

    def newsletter(self) -> None:
        """Send 120 to 400 at once: the backlog that a shop knows."""
        issue = self.random.randrange(1, 200)
        for copy in range(self.random.randrange(120, 400)):
            tasks.newsletter.apply_async(
                (f"reader{copy}@mail.example", issue), priority=PRIORITY_LAST
            )


def due(streams: list[Stream], now_s: float) -> Iterator[Stream]:
    """Yield the streams that are due at ``now_s``, each put back with its next time."""
    heapq.heapify(streams)
    while streams[0].due_at <= now_s:
        stream = heapq.heappop(streams)
        yield stream
        # After a long stop nothing is made up for; the rhythm starts anew.
        stream.due_at = max(stream.due_at + stream.pause_s(), now_s - 1.0)
        heapq.heappush(streams, stream)


def run(seed: int, seconds: float | None = None) -> None:
    """Send until ``seconds`` have passed, or for ever; a broker that is away is waited for."""
    shop = Shop(seed)
    streams = shop.streams()
    started = time.monotonic()
    while seconds is None or shop.now_s < seconds:
        shop.now_s = time.monotonic() - started
        for stream in due(streams, shop.now_s):
            try:
                stream.send()
            except OperationalError as error:
                print(f"The broker takes nothing ({error}); trying again.", file=sys.stderr)
                time.sleep(1.0)
        time.sleep(0.02)


def main(arguments: list[str] | None = None) -> None:
    """Run as ``python -m umbel_backend.demo.traffic``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=None)
    options: Any = parser.parse_args(arguments)
    run(options.seed, options.seconds)


if __name__ == "__main__":
    main()
