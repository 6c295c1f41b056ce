"""What Gradio keeps of visitors, cut down to what this page needs, so that memory stays level however many come.

Gradio describes every component anew for each session, for links that restore a whole page; links of this page name
settings instead. And it keeps the messages of an API call, and its id, after the program has read them.
"""

from __future__ import annotations

from typing import Any

from gradio.blocks import BlocksConfig
from gradio.queueing import Queue
from starlette.types import ASGIApp, Receive, Scope, Send

UNDESCRIBED: dict[str, Any] = {}  # one for all components of all sessions; Gradio changes only what is described
STREAMS = ("/gradio_api/call/", "/gradio_api/queue/")


class SharedConfig(BlocksConfig):
    """The page's components. A session's copy shares them and describes none."""

    def __copy__(self) -> _SessionConfig:
        own = _SessionConfig(self.root_block)
        own.blocks, own.fns, own.fn_id = self.blocks.copy(), self.fns, self.fn_id
        return own


class _SessionConfig(BlocksConfig):
    """A session's components: the page's, and those that its own events have changed."""

    @staticmethod
    def config_for_block(*_: object, **__: object) -> dict[str, Any]:
        return UNDESCRIBED


class ForgetMessages:
    """Middleware: after each request to the API, Gradio forgets all messages that have been read."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self.app(scope, receive, send)
        finally:
            if scope["type"] == "http" and str(scope["path"]).startswith(STREAMS):
                forget_read(scope["app"].get_blocks()._queue)


def forget_read(queue: Queue) -> None:
    """Drop the messages of sessions without a running or unread event, and the ids of sessions without messages.

    Gradio itself drops the messages of the session that came first, once there are 2,000.
    """
    messages, unread = queue.pending_messages_per_session, queue.pending_event_ids_session
    running = set()
    for event in queue.event_ids_to_events.values():
        running.add(event.session_hash)
        if not event.alive:  # whoever awaited it has gone, so its end will never be read
            unread.get(event.session_hash, set()).discard(event._id)
    for session in [session for session in messages if not unread.get(session) and session not in running]:
        del messages[session]
    for session in [session for session in unread if session not in messages]:
        del unread[session]
