from __future__ import annotations

from functools import partial
from typing import Any

from umbel_backend.broker.footprints import Footprints

WELL = {"w1": 11, "w2": 12}


class Server:
    """Tells of connections what a test set."""

    is_redis = True

    def __init__(self) -> None:
        self.clients: dict[int, dict[str, str]] = {
            number: {"cmd": "lpush", "idle": "5"} for number in (1, 2, 3)
        }
        self.own = {"w1": 1, "w2": 2}

    def redis(self) -> Server:
        return self

    def client_list(self) -> list[dict[str, Any]]:
        return [{"id": str(number), **client} for number, client in self.clients.items()]

    def replies(self, name: str, *others: int) -> bool:
        for number in self.clients:
            self.clients[number] = {"cmd": "lpush", "idle": "5"}
        for number in (self.own[name], *others):
            self.clients[number] = {"cmd": "lpush", "idle": "0"}
        return True


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def make() -> tuple[Server, Clock, Footprints]:
    server, clock = Server(), Clock()
    return server, clock, Footprints(server, clock)  # type: ignore[arg-type]


def learn(server: Server, footprints: Footprints, *others: int) -> list[str]:
    asked = []
    while (name := footprints.next_to_learn(WELL)) is not None:
        asked.append(name)
        for number in server.clients:
            server.clients[number] = {"cmd": "lpush", "idle": "5"}
        footprints.learn(name, partial(server.replies, name, *others))
        # A sender that is often at it is at rest the next time.
        others = ()
    return asked


def test_each_is_asked_alone_until_its_connection_was_seen_twice() -> None:
    server, _, footprints = make()
    assert learn(server, footprints) == ["w1", "w2", "w1", "w2"]
    assert footprints.standing(["w1", "w2", "w3"]) == ({"w1", "w2"}, set())
    del server.clients[2]
    assert footprints.standing(["w1", "w2"]) == ({"w1"}, {"w2"})


def test_another_that_pushes_in_the_same_moment_is_told_apart_by_the_next_look() -> None:
    server, _, footprints = make()
    learn(server, footprints, 3)
    del server.clients[3]
    assert footprints.standing(["w1", "w2"]) == ({"w1", "w2"}, set())


def test_a_worker_that_was_started_anew_is_learnt_anew() -> None:
    server, _, footprints = make()
    learn(server, footprints)
    assert footprints.next_to_learn({**WELL, "w2": 99}) == "w2"
    assert footprints.standing(["w2"]) == (set(), set())


def test_a_worker_that_connected_anew_is_learnt_anew_after_a_minute() -> None:
    server, clock, footprints = make()
    learn(server, footprints)
    server.own["w2"] = 4
    server.clients[4] = server.clients.pop(2)
    clock.now = 61.0
    assert learn(server, footprints) == ["w2", "w2"]
    assert footprints.standing(["w1", "w2"]) == ({"w1", "w2"}, set())


def test_nothing_is_said_before_anything_was_learnt_or_after_the_broker_went() -> None:
    server, _, footprints = make()
    assert footprints.standing(["w1"]) == (set(), set())
    learn(server, footprints)
    footprints.forget()
    server.clients.clear()
    assert footprints.standing(["w1"]) == (set(), set())


def test_a_worker_that_does_not_reply_is_not_asked_for_ever() -> None:
    _, _, footprints = make()
    asked = 0
    while (name := footprints.next_to_learn({"w1": 11})) is not None:
        footprints.learn(name, lambda: False)
        asked += 1
    assert asked == 6
    assert footprints.standing(["w1"]) == (set(), set())
