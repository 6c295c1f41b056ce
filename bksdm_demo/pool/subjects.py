"""The names under which a pool's messages travel, and how long and large they may be.

Orders wait in one stream, a subject for each class of machines and content of a model; ends of orders wait in another
until the page has read them. Everything else is told once and not kept.
"""

from __future__ import annotations

import re

from bksdm_demo.errors import DemoError

ORDERS, ENDS = "bksdm-orders", "bksdm-ends"  # the streams
ORDER_SUBJECTS, END_SUBJECTS = "bksdm.orders.>", "bksdm.out.*.*.*.end"
OUT = "bksdm.out.>"  # events and ends of all orders, in their order
WORKERS, HELLO, CANCELS = "bksdm.workers.*", "bksdm.hello", "bksdm.cancel.>"

BEAT = 1.0  # seconds between two signs of life of a worker, and between two renewals of a lease
SILENCE = 4.0  # seconds without a renewal after which an order goes to another worker
GONE = 5.0  # seconds without a sign of life after which a worker counts for nothing
MOST_ATTEMPTS = 3  # machines that one order may end
KEPT = 6 * 3600.0  # seconds that an order or its end waits for somebody
ORDER_BYTES = 512 * 1024
EVENT_BYTES = 16 * 1024 * 1024
BEAT_BYTES = 512 * 1024

TOKEN = re.compile(r"[A-Za-z0-9_-]{1,64}")


def token(text: str) -> str:
    """Return a part of a subject. Raises DemoError for one that would be more than a part."""
    if TOKEN.fullmatch(text) is None:
        raise DemoError(f"{text!r:.80} is no name for the pool: use letters, digits, - and _, at most 64.")
    return text


def order_id(job: str, index: int, nonce: str) -> str:
    """The id of an order: three parts of a subject."""
    return f"{token(job)}.{index:d}.{token(nonce)}"


def read_order_id(text: str) -> tuple[str, int, str]:
    """The job, the cell's index and the nonce of an order. Raises DemoError."""
    parts = text.split(".")
    if len(parts) != 3 or not parts[1].isdecimal() or len(parts[1]) > 4:
        raise DemoError(f"{text!r:.80} is no order of the pool.")
    return token(parts[0]), int(parts[1]), token(parts[2])


def orders_of(machines: str, content: str) -> str:
    """All orders for a class of machines and a model's content."""
    return f"bksdm.orders.{token(machines)}.{token(content)}.>"


def order_subject(machines: str, content: str, order: str) -> str:
    return f"{orders_of(machines, content)[:-1]}{order}"


def bell_subject(machines: str, content: str = "*") -> str:
    """Where the page says that an order waits in a queue."""
    return f"bksdm.bell.{token(machines)}.{content}"


def consumer(machines: str, content: str) -> str:
    """The queue from which workers of a class take the orders for a model's content."""
    return f"{token(machines)}_{token(content)}"


def event_subject(order: str) -> str:
    return f"bksdm.out.{order}.event"


def end_subject(order: str) -> str:
    return f"bksdm.out.{order}.end"


def cancel_subject(order: str) -> str:
    return f"bksdm.cancel.{order}"


def worker_subject(worker: str) -> str:
    return f"bksdm.workers.{token(worker)}"


def control_subject(worker: str) -> str:
    return f"bksdm.control.{token(worker)}"
