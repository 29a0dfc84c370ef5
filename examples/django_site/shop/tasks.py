"""What the site does in the background."""

import logging

from celery import shared_task

import umbel_agent

log = logging.getLogger(__name__)


@shared_task
def pay_out(customer: str, iban: str, amounts: list[float]) -> float:
    """Pay the amounts one by one and return their sum."""
    for number, amount in enumerate(amounts, 1):
        log.debug("paying %.2f to %s", amount, customer)
        umbel_agent.progress(number, len(amounts), "paying")
    return sum(amounts)
