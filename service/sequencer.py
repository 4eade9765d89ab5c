"""The one writer: group commit of everything that changes.

Lives here: the queue, the writer thread, and the order of one batch: operations (each in its savepoint), log, checkpoint
and status lists in one transaction; then the high-water mark; then the answers. Not here: what an operation does (the
domains) and how the log is extended (`transparency_log.writing`).

A reply leaves only after its entry is durable and covered by a signed checkpoint (DESIGN.md section 4, "Log"). Every doubt
(lost connection, full disk, another writer) fails the whole batch with nothing acknowledged, and the state is read again
from the database before the next one.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, TypeVar, cast

from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from datasigil.errors import DatasigilError
from service.audit_trail.trail import anchor, anchor_due
from service.batch import Batch
from service.clock import Clock
from service.database import Database, StorageFullError, translated
from service.high_water import HighWaterFile, Mark
from service.limits import (
    BATCH_MAX_OPERATIONS,
    GATHER_SECONDS,
    GATHER_STEPS,
    QUEUE_MAX_OPERATIONS,
    TICK_SECONDS,
    WRITE_WAIT_SECONDS,
)
from service.problems import Problem
from service.registry_keys import RegistryKeys
from service.transparency_log.writing import LogSession, Released, current_release, open_session

T = TypeVar("T")
Operation = Callable[[Batch], T]

log = logging.getLogger("service.sequencer")


@dataclass(frozen=True)
class _Item(Generic[T]):
    operation: Operation[T]
    future: Future[T] | asyncio.Future[T]


@dataclass
class Health:
    """What the writer last knew about itself."""

    writing: bool = False
    error: DatasigilError | None = None


class Sequencer:
    """The writer thread of one process; `submit` from the event loop, `run` from any other thread."""

    def __init__(
        self,
        database: Database,
        keys: RegistryKeys,
        high_water: HighWaterFile,
        clock: Clock,
        *,
        holder: str,
        base_url: str,
    ) -> None:
        self._database = database
        self._keys = keys
        self._high_water = high_water
        self._clock = clock
        self._holder = holder
        self._base_url = base_url
        self._queue: queue.SimpleQueue[_Item[object] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="sequencer", daemon=True)
        self._session: LogSession | None = None
        self._opened = threading.Event()
        self._stopped = False
        self._refusal: DatasigilError | None = None
        self.released: Released | None = None
        self.health = Health()
        self.batches = 0
        self.operations = 0

    def start(self) -> None:
        """Start the thread and wait until it has tried once to open the log."""
        self._thread.start()
        self._opened.wait(WRITE_WAIT_SECONDS)

    def stop(self) -> None:
        """Finish what is queued, then end the thread."""
        self._stopped = True
        self._queue.put(None)
        self._thread.join()

    @property
    def waiting(self) -> int:
        """Operations in the queue."""
        return self._queue.qsize()

    def enqueue(self, operation: Operation[T]) -> Future[T]:
        """Queue an operation; its future is done once it is durable and covered by a checkpoint.

        Raises:
            Problem: BUSY, when the queue is full or the registry is stopping.
        """
        future: Future[T] = Future()
        self._put(_Item(operation, future))
        return future

    async def submit(self, operation: Operation[T]) -> T:
        """Run an operation through the writer.

        Raises:
            DatasigilError: whatever the operation refused; BUSY when it did not finish in time (it may still do so: retry
                with the same content).
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._put(_Item(operation, future))
        timer = loop.call_later(WRITE_WAIT_SECONDS, _give_up, future)
        try:
            return await future
        finally:
            timer.cancel()

    def _put(self, item: _Item[T]) -> None:
        if self._stopped:
            raise Problem("BUSY", "The registry is stopping", next_action="retry")
        if self._queue.qsize() >= QUEUE_MAX_OPERATIONS:
            raise Problem("BUSY", "Too many writes are waiting", next_action="retry later")
        self._queue.put(cast("_Item[object]", item))

    def run(self, operation: Operation[T]) -> T:
        """Run an operation through the writer from a thread without event loop."""
        return self.enqueue(operation).result(WRITE_WAIT_SECONDS)

    # The thread -------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        self._turn([])
        self._opened.set()
        while True:
            items = self._next()
            if items is None:
                return
            self._turn(items)

    def _next(self) -> list[_Item[object]] | None:
        """The next operations, [] after a tick without any, None at the end."""
        try:
            first = self._queue.get(timeout=TICK_SECONDS)
        except queue.Empty:
            return []
        self._gather()
        items: list[_Item[object]] = []
        while first is not None:
            items.append(first)
            if len(items) == BATCH_MAX_OPERATIONS:
                return items
            try:
                first = self._queue.get_nowait()
            except queue.Empty:
                return items
        if not items:
            return None
        self._queue.put(None)
        return items

    def _gather(self) -> None:
        """Where several requests wait, give those on their way a moment to join: a batch of many costs little more than one of two."""
        for _ in range(GATHER_STEPS):
            waiting = self._queue.qsize()
            if not waiting or waiting >= BATCH_MAX_OPERATIONS or self._stopped:
                return
            time.sleep(GATHER_SECONDS)
            if self._queue.qsize() == waiting:
                return

    def _turn(self, items: list[_Item[object]]) -> None:
        """One batch, or the upkeep between batches; no exception leaves, because the thread must not die."""
        try:
            outcomes = self._commit(items)
        except DatasigilError as error:
            self._fail(items, error)
        except Exception as error:  # the database's and our own faults alike: everybody who waits is told
            self._fail(items, DatasigilError("INTERNAL", f"the writer failed: {type(error).__name__}"))
            log.exception("batch failed", extra={"fields": {"operations": len(items)}})
        else:
            self.health = Health(writing=True)
            _answer_all(items, outcomes)

    def _fail(self, items: list[_Item[object]], error: DatasigilError) -> None:
        if self.health.error is None or self.health.error.code != error.code:
            log.error("not writing", extra={"fields": {"code": error.code, "reason": error.message}})
        self._session = None
        self.health = Health(writing=False, error=error)
        _answer_all(items, [error] * len(items))
        if error.code in ("REFUSES_TO_SIGN", "HANDED_OVER"):
            self._refusal = error  # for good: only a restart after fsck asks again
        if error.code in ("NOT_THE_WRITER", "REFUSES_TO_SIGN", "HANDED_OVER"):
            self._follow()

    def _commit(self, items: list[_Item[object]]) -> list[object]:
        """Apply, seal and commit one batch, then remember the new size outside the database."""
        if self._refusal is not None:
            raise self._refusal
        now = self._clock()
        with translated(), self._database.writer.connect() as connection:
            session = self._session
            if session is None:
                session = open_session(connection, self._keys, self._high_water.read(), now, self._holder)
                connection.commit()
                self._session = session
            connection.begin()  # a prepared statement begins nothing by itself
            if not items and not session.tick(connection, now):
                connection.commit()
                self._release(session)
                return []
            batch = Batch(connection, session, self._keys, now, self._base_url)
            outcomes = _apply_all(batch, items)
            if not batch.ends and anchor_due(connection, now):
                anchor(batch)
            sealed = session.seal(batch)
            connection.commit()
        session.commit(sealed)
        self._release(session)
        if batch.ends:
            self._session = None  # opening it again is refused
        self.batches += 1
        self.operations += len(items)
        return outcomes

    def _release(self, session: LogSession) -> None:
        """Let the session's checkpoint out, after the mark outside the database says that it may exist."""
        new = session.released
        if self.released is None or self.released.size != new.size:
            try:
                self._high_water.write(Mark(new.origin, new.size, new.root.hex()))
            except OSError as error:
                raise StorageFullError(
                    "STORAGE_FULL", f"the high-water mark cannot be written: {error.strerror}"
                ) from error
        self.released = new

    def _follow(self) -> None:
        """Read what the other writer released, so that this process serves a current log."""
        try:
            self.released = self._database.read_now(current_release)
        except DatasigilError:
            log.warning("cannot follow", extra={"fields": {"code": "DATABASE_UNAVAILABLE"}})


def _apply_all(batch: Batch, items: Sequence[_Item[object]]) -> list[object]:
    """Run the operations of a batch; those whose kind can be done together, together, unless that does not work out."""
    groups: dict[Callable[..., list[object | None]], list[int]] = {}
    for number, item in enumerate(items):
        together = getattr(item.operation, "together", None)
        if together is not None:
            groups.setdefault(together, []).append(number)
    outcomes: dict[int, object] = {}
    for together, numbers in groups.items():
        if len(numbers) > 1:
            done = _apply_together(batch, together, [items[number].operation for number in numbers])
            outcomes |= {number: value for number, value in zip(numbers, done, strict=True) if value is not None}
    return [outcomes[number] if number in outcomes else _apply(batch, item) for number, item in enumerate(items)]


def _apply_together(
    batch: Batch, together: Callable[..., list[object | None]], operations: list[Operation[object]]
) -> list[object | None]:
    """Run operations of one kind in one savepoint: their values, None for each that has to take its own turn; all of them if one fails."""
    mark = batch.mark()
    savepoint = batch.connection.begin_nested()
    try:
        done = together(batch, operations)
        savepoint.commit()
    except (IntegrityError, DatasigilError):
        pass
    except SQLAlchemyError:
        raise  # as in `_apply`
    except Exception:  # each now takes its own turn, where a fault is answered to whom it belongs
        log.exception("operations failed together")
    else:
        return done
    savepoint.rollback()
    batch.reset(mark)
    batch.memory.clear()
    return [None] * len(operations)


def _apply(batch: Batch, item: _Item[object]) -> object:
    """Run one operation in its savepoint; its refusal is its own, its value waits for the commit."""
    mark = batch.mark()
    savepoint = batch.connection.begin_nested()
    try:
        value = item.operation(batch)
        savepoint.commit()
    except IntegrityError:
        outcome: object = Problem("CONFLICT", "What this request adds is already there in another form", status=409)
    except DatasigilError as error:
        outcome = error
    except SQLAlchemyError:
        raise  # the connection or the disk: nothing of this batch can be trusted
    except Exception as error:
        log.exception("operation failed")
        outcome = error
    else:
        return value
    savepoint.rollback()
    batch.reset(mark)
    return outcome


def _answer_all(items: Sequence[_Item[object]], outcomes: Sequence[object]) -> None:
    """Answer everybody who waits, each event loop with one call."""
    awaited: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[object], object]]] = {}
    for item, outcome in zip(items, outcomes, strict=True):
        if isinstance(item.future, Future):
            if item.future.set_running_or_notify_cancel():
                _answer(item.future, outcome)
        else:
            awaited.setdefault(item.future.get_loop(), []).append((item.future, outcome))
    for loop, answers in awaited.items():
        with suppress(RuntimeError):  # the loop has ended, and with it everybody who waited there
            loop.call_soon_threadsafe(_answer_awaited, answers)


def _give_up(future: asyncio.Future[T]) -> None:
    if not future.done():
        late = Problem("BUSY", "The write was not finished in time; it may still be", next_action="retry")
        future.set_exception(late)


def _answer_awaited(answers: Sequence[tuple[asyncio.Future[object], object]]) -> None:
    for future, outcome in answers:
        if not future.done():  # who waited may have left
            _answer(future, outcome)


def _answer(future: Future[object] | asyncio.Future[object], outcome: object) -> None:
    if isinstance(outcome, BaseException):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)
