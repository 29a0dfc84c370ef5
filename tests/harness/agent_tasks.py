"""The plain project of `harness.tasks` with one line more: the agent is installed.

Workers run it as ``harness.agent_tasks:app``; the agent is set by ``UMBEL_*`` variables, and left out with
``HARNESS_AGENT=off``.
"""

# mypy: disallow-untyped-decorators=False

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import time
from typing import Any

import umbel_agent
from harness.tasks import app as app
from harness.tasks import log

if os.environ.get("HARNESS_AGENT") != "off":
    umbel_agent.install(app)
if "HARNESS_MOST_RECORDS" in os.environ:
    from umbel_agent import shipper

    defaults: Any = shipper.Shipper.__init__.__kwdefaults__
    defaults["most_records"] = int(os.environ["HARNESS_MOST_RECORDS"])
if "HARNESS_ACCEPT" in os.environ:
    app.conf.accept_content = os.environ["HARNESS_ACCEPT"].split(",")
if "HARNESS_TRANSPORT_OPTIONS" in os.environ:
    app.conf.broker_transport_options = json.loads(os.environ["HARNESS_TRANSPORT_OPTIONS"])


@app.task(name="harness.agent.flood")
def flood(lines: int, length: int = 20) -> list[float]:
    """Log ``lines`` lines; return the CPU seconds one took in this thread, and in all of the process."""
    text = "x" * length
    thread, process = time.thread_time(), time.process_time()
    for number in range(lines):
        log.info("%d %s", number, text)
    took = time.thread_time() - thread, time.process_time() - process
    return [seconds / max(1, lines) for seconds in took]


@app.task(name="harness.agent.speak_and_die")
def speak_and_die(lines: int) -> None:
    """Log, live on for a moment, and kill the pool process."""
    for number in range(lines):
        log.info("last words %d", number)
    time.sleep(0.5)
    os.kill(os.getpid(), signal.SIGKILL)


@app.task(name="harness.agent.speak_and_retry", bind=True)
def speak_and_retry(self: Any, times: int) -> None:
    """Log one line in each attempt."""
    log.info("attempt %d", self.request.retries)
    if self.request.retries < times:
        raise self.retry(countdown=0, max_retries=times)


@app.task(name="harness.agent.odd_lines")
def odd_lines() -> None:
    """Log what is hard to keep."""
    business = logging.getLogger("harness.business")
    business.info("nul \x00 and half a pair \udc80 and \x1b[31mred")
    business.info("wrong %d arguments", "no number")
    business.info("password=hunter2 and token: abc")
    business.debug("not wanted")
    sys.stderr.write("to stderr\n")
    print(b"\xff\xfe binary")
    try:
        raise ValueError("inside")
    except ValueError:
        business.exception("caught")


@app.task(name="harness.agent.nested", bind=True)
def nested(self: Any) -> str:
    """Log inside a task called as a function, and inside one applied in place."""
    log.info("outer")
    inner()
    inner.apply()
    return str(self.request.id)


@app.task(name="harness.agent.inner")
def inner() -> None:
    """Log one line."""
    log.info("inner")


@app.task(name="harness.agent.steps", bind=True)
def steps(self: Any, metas: list[Any], state: str = "PROGRESS") -> None:
    """Call ``update_state`` with each of ``metas``."""
    for meta in metas:
        self.update_state(state=state, meta=meta)
        time.sleep(0.12)


@app.task(name="harness.agent.report")
def report(count: int, until_file: str = "") -> float:
    """Report ``count`` steps by the agent's own function; return the seconds one took."""
    started = time.perf_counter()
    for number in range(1, count + 1):
        umbel_agent.progress(number, count, note=f"step {number} of password=hunter2")
    took = time.perf_counter() - started
    while until_file and not os.path.exists(until_file):
        time.sleep(0.02)
    return took / max(1, count)


@app.task(name="harness.agent.late", acks_late=True)
def late(seconds: float = 0.0, until_file: str = "") -> str:
    """Run with a late acknowledgement, for some seconds or until the file exists."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and not (until_file and os.path.exists(until_file)):
        time.sleep(0.02)
    return "done"


@app.task(name="harness.agent.login")
def login(user: str, password: str) -> int:
    """Take a secret that may come without its name."""
    return len(user) + len(password)


@app.task(name="harness.agent.nap")
def nap(seconds: float = 0.01) -> None:
    """Take a moment: what benches run."""
    time.sleep(seconds)
