"""The contenders, by name, in the order of the tables.

Owns: the list. Never knows: what is measured.
"""

from __future__ import annotations

from typing import Final

from bench.contenders.base import Contender
from bench.contenders.ours import Logboom, LogboomUncollected, LogboomWrite
from bench.contenders.peers import ConcurrentLogHandler, Loguru
from bench.contenders.queues import MultiprocessingQueue, SocketReceiver, ZeroMQPushPull
from bench.contenders.stdlib import NullContender, OwnFile, RotatingShared, SharedAppend

__all__ = ["CONTENDERS", "Contender"]

_CLASSES: Final[tuple[type[Contender], ...]] = (
    NullContender,
    OwnFile,
    SharedAppend,
    RotatingShared,
    ConcurrentLogHandler,
    MultiprocessingQueue,
    SocketReceiver,
    Loguru,
    ZeroMQPushPull,
    Logboom,
    LogboomWrite,
    LogboomUncollected,
)
CONTENDERS: Final[dict[str, type[Contender]]] = {contender.name: contender for contender in _CLASSES}
