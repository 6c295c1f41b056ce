"""The connection to a pool's NATS server, for threads: nats-py runs on asyncio, in one thread of this file.

Reconnects by itself, for as long as it takes. Nothing here knows what messages say.
"""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError as EndedError
from concurrent.futures import Future
from concurrent.futures import TimeoutError as LateError
from contextlib import suppress
from typing import Any, TypeVar

from bksdm_demo.errors import DemoError
from bksdm_demo.pool import subjects
from bksdm_demo.pool.address import Address
from bksdm_demo.pool.nats_library import nats_library

logger = logging.getLogger(__name__)

ANSWER = 5.0  # seconds for an answer of the server
FIRST = 10.0  # seconds for the first connection
AGAIN = 0.25  # seconds between two tries to connect again
GLANCE_NS = 2_000_000  # nanoseconds for which the server waits for an order; a busy server then says nothing
GLANCE = 0.2  # seconds for its answer
CLOSED = "The connection to the pool is closed."
REMEMBERED = 15 * 60.0  # seconds for which a message with the same id is kept once only

Answer = TypeVar("Answer")
Hear = Callable[[str, bytes], None]  # subject and payload


class PoolError(DemoError):
    """The pool's server cannot be reached, refuses us, or does not answer."""


class Delivery:
    """One order as the server delivered it, for the `attempt`th time. It comes again unless it is kept or ended."""

    def __init__(self, broker: Broker, message: Any) -> None:
        self._broker, self._message = broker, message
        self.payload: bytes = message.data
        self.attempt: int = message.metadata.num_delivered

    def renew(self) -> None:
        """Keep it for a while longer. Does not wait."""
        self._broker.later(self._message.in_progress())

    def done(self) -> None:
        """It has ended, and never comes again."""
        self._broker.call(self._message.ack())

    def give_back(self) -> None:
        """Another worker may have it at once."""
        self._broker.call(self._message.nak())


class Broker:
    """One connection. Safe to use from several threads. `name` is who we are, as the server's operator sees it.

    Raises DemoError without the library, and PoolError if the server cannot be reached or refuses us.
    """

    def __init__(self, address: Address, name: str) -> None:
        self._nats, self.address = nats_library(), address
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="pool", daemon=True)
        self._thread.start()
        self._client: Any = None
        self._back: list[Callable[[], None]] = []
        try:
            self._client = self.call(self._connect(name), FIRST + ANSWER)
        except BaseException:
            self.close()
            raise
        self._stream = self._client.jetstream(timeout=ANSWER)

    # --- Threads -----------------------------------------------------------------------------------------------------

    def call(self, work: Coroutine[Any, Any, Answer], timeout: float = ANSWER + 1) -> Answer:
        """Run in the connection's thread and return what it returns. Raises PoolError."""
        future = self._submit(work)
        try:
            return future.result(timeout)
        except (LateError, TimeoutError) as error:
            future.cancel()
            raise PoolError(f"The pool's server at {self.address.place} does not answer.") from error
        except EndedError as error:  # by `close`, in another thread
            raise PoolError(CLOSED) from error
        except (OSError, self._nats.errors.Error) as error:
            raise PoolError(
                f"The pool's server at {self.address.place} refuses: {error or type(error).__name__}"
            ) from error

    def later(self, work: Coroutine[Any, Any, Any]) -> None:
        """Run in the connection's thread; what fails is logged."""
        with suppress(PoolError):  # closed: nobody is left to hear it
            self._submit(work).add_done_callback(_log_failure)

    def _submit(self, work: Coroutine[Any, Any, Answer]) -> Future[Answer]:
        if self._loop.is_closed() or not self._thread.is_alive():
            work.close()
            raise PoolError(CLOSED)
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    # --- Connecting --------------------------------------------------------------------------------------------------

    async def _connect(self, name: str) -> Any:
        """Connect, and fail at the first problem. Once it has succeeded, the library connects again by itself."""
        place, context = self.address.place, self.address.context()
        options: dict[str, Any] = {"tls": context} if context else {}
        if self.address.user is not None:
            options |= dict(zip(("user", "password"), self.address.user, strict=True))
        if self.address.credentials is not None:
            kind = "nkeys_seed" if self.address.credentials.suffix == ".nk" else "user_credentials"
            options[kind] = str(self.address.credentials)
        client = self._nats.aio.client.Client()
        problem: asyncio.Future[Exception] = self._loop.create_future()

        async def failed(error: Exception) -> None:
            logger.debug("The pool's server at %s: %s", place, error or type(error).__name__)
            if not problem.done():
                problem.set_result(error)

        async def lost() -> None:
            if not client.is_closed:
                logger.warning("The connection to the pool's server at %s is lost.", place)

        async def back() -> None:
            logger.info("The connection to the pool's server at %s is back.", place)
            for hear in self._back:
                hear()

        connecting = asyncio.ensure_future(
            client.connect(
                self.address.server, name=name, inbox_prefix=f"_INBOX_{name}", error_cb=failed, disconnected_cb=lost,
                reconnected_cb=back, connect_timeout=ANSWER, ping_interval=5, max_outstanding_pings=2,
                max_reconnect_attempts=-1, reconnect_time_wait=AGAIN, **options,
            )
        )  # fmt: skip
        await asyncio.wait({connecting, problem}, timeout=FIRST, return_when=asyncio.FIRST_COMPLETED)
        if connecting.done() and connecting.exception() is None:
            return client
        error = connecting.exception() if connecting.done() else problem.result() if problem.done() else TimeoutError()
        connecting.cancel()
        with suppress(Exception):
            await asyncio.wait_for(client.close(), 1)
        raise PoolError(_why(place, error or TimeoutError())) from error

    @property
    def connected(self) -> bool:
        """Whether the server can be reached now."""
        return bool(self._client is not None and self._client.is_connected)

    @property
    def largest(self) -> int:
        """The most bytes of one message that the server takes."""
        return int(self._client.max_payload)

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return not self._thread.is_alive()

    def when_back(self, hear: Callable[[], None]) -> None:
        """Call `hear` in the connection's thread after each reconnection. It must be quick."""
        self._back.append(hear)

    def close(self) -> None:
        """Send what waits, and end the connection. A second call does nothing."""
        if not self._thread.is_alive():
            return
        with suppress(DemoError):
            if self._client is not None:
                self.call(self._end(), ANSWER)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(ANSWER)
        if not self._thread.is_alive():
            self._loop.run_until_complete(_cancel_others())  # what came while the loop stopped
            self._loop.close()

    async def _end(self) -> None:
        with suppress(Exception):
            await self._client.flush(1)
        with suppress(Exception):
            await self._client.close()
        await _cancel_others()

    # --- Messages that are told once ---------------------------------------------------------------------------------

    def tell(self, subject: str, payload: bytes = b"") -> None:
        """Send to whoever listens now. Does not wait; messages of one thread arrive in their order."""
        self.later(self._client.publish(subject, payload))

    def hear(self, subject: str, hear: Hear) -> None:
        """Call `hear` for each message, in the connection's thread. It must be quick. What it raises is logged."""

        async def heard(message: Any) -> None:
            try:
                hear(message.subject, message.data)
            except DemoError as error:
                logger.warning("A message of the pool was dropped: %s", error)
            except Exception:
                logger.exception("A message of the pool was dropped")

        self.call(self._client.subscribe(subject, cb=heard))
        self.call(self._client.flush())

    # --- Messages that are kept --------------------------------------------------------------------------------------

    def open_streams(self) -> None:
        """Create the streams of the pool, unless they exist."""
        api = self._nats.js.api
        common = {"storage": api.StorageType.FILE, "max_age": subjects.KEPT, "duplicate_window": REMEMBERED}
        for config in (
            api.StreamConfig(
                name=subjects.ORDERS, subjects=[subjects.ORDER_SUBJECTS], retention=api.RetentionPolicy.WORK_QUEUE,
                max_msg_size=subjects.ORDER_BYTES, **common,
            ),
            api.StreamConfig(
                name=subjects.ENDS, subjects=[subjects.END_SUBJECTS], retention=api.RetentionPolicy.LIMITS,
                max_msgs_per_subject=1, max_msg_size=subjects.EVENT_BYTES, **common,
            ),
        ):  # fmt: skip
            self.call(self._stream.add_stream(config))

    def open_queue(self, machines: str, content: str) -> None:
        """Create the queue of orders for a class of machines and a model's content, unless it exists."""
        config = self._nats.js.api.ConsumerConfig(
            durable_name=subjects.consumer(machines, content),
            filter_subject=subjects.orders_of(machines, content),
            ack_wait=subjects.SILENCE,
            max_ack_pending=10_000,
        )
        self.call(self._stream.add_consumer(subjects.ORDERS, config))

    def keep(self, subject: str, payload: bytes, message_id: str) -> int:
        """Keep a message in its stream and return its number there. One with the same id is kept once only."""
        headers = {"Nats-Msg-Id": message_id}
        return int(self.call(self._stream.publish(subject, payload, timeout=ANSWER, headers=headers)).seq)

    def take(self, machines: str, content: str) -> Delivery | None:
        """Take the next order of a queue; None if there is none."""
        subject = f"$JS.API.CONSUMER.MSG.NEXT.{subjects.ORDERS}.{subjects.consumer(machines, content)}"
        ask = json.dumps({"batch": 1, "expires": GLANCE_NS}).encode()  # "no_wait" goes unanswered after some cancels
        try:
            # In the old style: an order comes under its own subject, by which the new one would not know it.
            message = self.call(self._client.request(subject, ask, timeout=GLANCE, old_style=True))
        except PoolError as error:
            if isinstance(error.__cause__, self._nats.errors.NoRespondersError | TimeoutError):
                return None
            raise
        return None if message.headers and "Status" in message.headers else Delivery(self, message)

    def has_queue(self, machines: str, content: str) -> bool:
        """Whether the page has opened this queue. Without it, `take` would wait in vain."""
        try:
            self.call(self._stream.consumer_info(subjects.ORDERS, subjects.consumer(machines, content)))
        except PoolError as error:
            if isinstance(error.__cause__, self._nats.js.errors.NotFoundError | self._nats.errors.NoRespondersError):
                return False
            raise
        return True

    def newest(self, stream: str, subject: str) -> bytes | None:
        """The newest message of a subject; None if there is none."""
        try:
            found = self.call(self._stream.get_last_msg(stream, subject))
        except PoolError as error:
            if isinstance(error.__cause__, self._nats.js.errors.NotFoundError):
                return None
            raise
        return bytes(found.data or b"")

    def kept(self, stream: str) -> list[str]:
        """The subjects of all messages of a stream."""
        found = self.call(self._stream.stream_info(stream, subjects_filter=">"))
        return list(found.state.subjects or ())

    def forget(self, stream: str, subject: str) -> None:
        """Delete a subject's messages. Does not wait."""
        self.later(self._stream.purge_stream(stream, subject=subject))


async def _cancel_others() -> None:
    await asyncio.sleep(0)  # so that every task has begun
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


def _why(place: str, error: BaseException) -> str:
    """Say why there is no connection, and what to do."""
    told = str(error) or type(error).__name__
    if "uthorization" in told or "uthentication" in told:
        return f"The pool's server at {place} refuses these credentials. Ask its operator for others."
    if isinstance(error, ssl.SSLError):
        return f"The pool's server at {place} cannot prove who it is. Name what signed its certificate: {told}"
    if isinstance(error, OSError | TimeoutError):
        return f"No server of a pool answers at {place}. Start one: nats-server -js. ({told})"
    return f"The pool's server at {place} cannot be used, perhaps because of our credentials: {told}"


def _log_failure(future: Future[Any]) -> None:
    if not future.cancelled() and (error := future.exception()) is not None:
        logger.info("A message to the pool was lost: %s", error or type(error).__name__)
