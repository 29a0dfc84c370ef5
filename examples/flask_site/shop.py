"""A Flask site whose tasks run with its context: ``celery -A shop worker``."""

import os

from celery import Celery, Task, shared_task
from flask import Flask, current_app

import umbel_agent


def create_app() -> Flask:
    """Make the site and its Celery app."""
    app = Flask("shop")
    app.config.from_mapping(
        CURRENCY="EUR",
        CELERY={
            "broker_url": os.environ.get("CELERY_BROKER_URL", "redis://localhost:6379/0"),
            "task_default_queue": "shop",
            "umbel_messages": "failed",
        },
    )
    app.config.from_prefixed_env()
    celery_init_app(app)
    return app


def celery_init_app(app: Flask) -> Celery:
    """Make the Celery app of ``app``, as Flask's documentation shows it, with the agent."""

    class FlaskTask(Task):
        def __call__(self, *args: object, **kwargs: object) -> object:
            with app.app_context():
                return self.run(*args, **kwargs)

    celery_app = Celery(app.name, task_cls=FlaskTask)
    celery_app.config_from_object(app.config["CELERY"])
    umbel_agent.install(celery_app)
    celery_app.set_default()
    app.extensions["celery"] = celery_app
    return celery_app


@shared_task
def invoice(order: int) -> str:
    """Write the invoice of an order."""
    current_app.logger.warning("invoice of order %d", order)
    if order < 0:
        raise ValueError(f"there is no order {order}")
    return f"{order} {current_app.config['CURRENCY']}"


celery = create_app().extensions["celery"]
