"""The first frame must not wait for what only the cluster and the database need."""

from __future__ import annotations

import json
import subprocess
import sys

HEAVY = ("amqp", "billiard", "celery", "kombu", "pygments", "redis", "sqlalchemy", "vine")

UNSEEN = {
    "secrets",
    "umbel_console.render.document",
    "umbel_console.screens.copying",
    "umbel_console.screens.history",
    "umbel_console.screens.menu",
    "umbel_console.screens.task_detail",
    "umbel_console.widgets.command_bar",
    "umbel_console.widgets.document_view",
}
"""Modules of what is not on the first frame."""

# The real services, at an address where nobody answers: what is loaded before the first frame is
# the same whatever is there.
SCRIPT = """
import asyncio, json, sys
from textual.events import Key
from umbel_backend.settings import Context, Settings
from umbel_console.app import UmbelApp

seen = {}

class Watched(UmbelApp):
    def on_mount(self):
        super().on_mount()
        for key, sign in (('slash', '/'), ('x', 'x')):
            self.post_message(Key(key, sign))
        start = self.bridge.start
        def first_frame():
            seen["modules"] = sorted(sys.modules)
            seen["shows"] = [s.text for s in self.screen._compositor.render_strips()]
            start()
        self.bridge.start = first_frame

async def main():
    context = Context(name="prod", broker="redis://127.0.0.1:1/0", db=sys.argv[1])
    app = Watched(Settings(context=context))
    async with app.run_test(size=(80, 24)) as pilot:
        while not seen:
            await pilot.pause(0.01)
        while app.screen.bar.text != 'x':
            await pilot.pause(0.01)
        app.exit(0)

asyncio.run(main())
print(json.dumps(seen))
"""


def test_nothing_heavy_is_loaded_before_the_first_frame_and_earlier_keys_are_kept(
    tmp_path: object,
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, f"{tmp_path}/history.db"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout.splitlines()[-1])
    loaded = {module.partition(".")[0] for module in seen["modules"]}
    assert loaded.isdisjoint(HEAVY)
    assert UNSEEN.isdisjoint(seen["modules"])
    shown = "\n".join(seen["shows"])
    assert "PROD" in shown
    assert "connecting" in shown
