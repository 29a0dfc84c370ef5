"""The demo's Celery project: a small shop with two workers, three queues and a beat.

An ordinary project on purpose, with one line of Umbel in it, that of the agent. The broker and the
result backend come from Celery's own ``CELERY_BROKER_URL`` and ``CELERY_RESULT_BACKEND``.
"""

from __future__ import annotations

from celery import Celery
from celery.schedules import crontab

import umbel_agent

QUEUES = ("high", "default", "reports")

app = Celery("shop", include=["umbel_backend.demo.tasks"])
app.conf.update(
    task_default_queue="default",
    task_default_priority=3,
    task_routes={
        "billing.*": {"queue": "high"},
        "deploy.*": {"queue": "high"},
        "reports.*": {"queue": "reports"},
        "media.*": {"queue": "reports"},
        "maintenance.*": {"queue": "reports"},
    },
    task_send_sent_event=True,
    worker_send_task_events=True,
    worker_prefetch_multiplier=1,
    # Without it the queues take turns, and a priority only orders tasks within one queue.
    broker_transport_options={"queue_order_strategy": "priority", "visibility_timeout": 600},
    broker_connection_retry_on_startup=True,
    result_expires=3600,
    timezone="UTC",
    beat_schedule={
        "sync-stock": {
            "task": "inventory.sync",
            "schedule": 10.0,
            "args": ("hamburg",),
            "kwargs": {"api_key": "not-a-real-key"},
        },
        "sales-so-far": {"task": "reports.sales", "schedule": 45.0, "args": ("all", "today")},
        "nightly-clean-up": {
            "task": "maintenance.clean_up",
            "schedule": crontab(hour="2", minute="0"),
            "kwargs": {"older_than_days": 30},
        },
        "rotate-sessions": {
            "task": "maintenance.clean_up",
            "schedule": crontab(minute="*/5"),
            "kwargs": {"older_than_days": 1},
        },
    },
)
umbel_agent.install(app)
