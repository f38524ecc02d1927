"""Claims in a database of PostgreSQL, for more workers than a shared file system serves.

One table holds who has which trial, for how long, and which attempt that is; records stay in the sweep's directory. A
worker connects for each request, so that none holds a connection, and a database that was restarted goes unnoticed.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar

from hydra_queue_sweeper.base import signals
from hydra_queue_sweeper.base.errors import Refused, in_one_line
from hydra_queue_sweeper.base.terminal import log
from hydra_queue_sweeper.search.trials import Trial
from hydra_queue_sweeper.sweeps.claims import TAKEN, Begin, Claims, Lost
from hydra_queue_sweeper.sweeps.store import Records

if TYPE_CHECKING:
    from psycopg import Connection

Result = TypeVar("Result")

SECONDS_OF_LEASE = 60.0
SECONDS_BETWEEN_RENEWALS = 15.0
SECONDS_TO_CONNECT = 10
MOST_SECONDS_BETWEEN_TRIES = 10.0
TABLE = """
create table if not exists hydra_queue (
    sweep text, number int, place int not null, launch text not null, attempt int not null, until timestamptz,
    ended boolean not null, primary key (sweep, number)
);
create index if not exists hydra_queue_open on hydra_queue (sweep, place) where not ended
"""
NEXT = """
update hydra_queue set attempt = attempt + 1, until = now() + %(lease)s * interval '1 s'
where sweep = %(sweep)s and number = (
    select number from hydra_queue
    where sweep = %(sweep)s and launch = %(launch)s and not ended and (until is null or until < now())
    order by place limit 1 for update skip locked
)
returning number, attempt
"""
OURS = " where sweep = %(sweep)s and launch = %(launch)s and number = %(number)s and attempt = %(attempt)s"
LEAVE = "update hydra_queue set until = null" + OURS  # noqa: S608  of constants
END = "update hydra_queue set ended = true" + OURS  # noqa: S608  of constants
RENEW = "update hydra_queue set until = now() + %(lease)s * interval '1 s'" + OURS  # noqa: S608  of constants
RECORD = "update hydra_queue set ended = %(ended)s, until = now() + %(lease)s * interval '1 s'" + OURS  # noqa: S608  of constants
HELD = "select 1 from hydra_queue where sweep = %(sweep)s and number = %(number)s and until > now()"
CREATING, PROPOSING = 7_119_203, 7_119_204  # by which locks of the whole database are known


class PostgresClaims(Claims):
    """Claims by rows of a table, each for a time: a worker renews it, and one that has died leaves it after that.

    Args:
        records: Of the sweep's trials.
        launch: This start of the sweep.
        address: Of the database.

    Raises:
        Refused: If what it takes to ask a database is not installed.
    """

    def __init__(self, records: Records, launch: str, address: str) -> None:
        super().__init__(records, launch)
        try:
            import psycopg
        except ImportError:
            raise Refused("hydra.sweeper.claims needs psycopg; pip install 'psycopg[binary]'") from None
        self._connect: Callable[..., Connection[Any]] = psycopg.connect
        self._errors = (psycopg.OperationalError, psycopg.InterfaceError)
        self.address = address
        self._shared = {"sweep": str(self.sweep.path.absolute()), "launch": launch, "lease": SECONDS_OF_LEASE}
        self._held: dict[str, Any] | None = None
        self._renewed = 0.0

    def start(self, trials: list[Trial]) -> None:
        """See `Claims`."""
        known = {trial.number: trial for trial in trials}
        sweep = self._shared["sweep"]
        try:
            with self._connected() as database:
                database.execute("select pg_advisory_xact_lock(%s)", [CREATING])
                database.execute(TABLE)
                database.execute("delete from hydra_queue where sweep = %s", [sweep])
                with database.cursor().copy("copy hydra_queue from stdin") as rows:
                    for place, number in enumerate(self.plan.order()):
                        trial = known.get(number)
                        attempt, ended = (trial.attempt, trial.ended) if trial else (0, False)
                        rows.write_row((sweep, number, place, self.launch, attempt, None, ended))
        except self._errors as error:
            problem = f"no database answers there ({in_one_line(error)}); start it, or leave that out"
            raise Refused(f"hydra.sweeper.claims={self.address}: {problem}") from None

    @contextmanager
    def take(self, begin: Begin) -> Iterator[Trial | None]:
        """See `Claims`."""
        trial = self._retried(lambda: self._take(begin))
        self._renewed = time.monotonic()
        try:
            yield trial
        finally:
            held, self._held = self._held, None
            if held and not held["ended"]:
                with suppress(*self._errors), self._connected() as database:
                    database.execute(LEAVE, held)

    def _take(self, begin: Begin) -> Trial | None:
        with self._connected() as database:
            database.autocommit = True
            if not self.plan.is_grid:  # proposals come one after the other
                database.execute("select pg_advisory_lock(%s, hashtext(%s))", [PROPOSING, self._shared["sweep"]])
            while row := database.execute(NEXT, self._shared).fetchone():
                number, attempt = row
                self._held = self._shared | {"number": number, "attempt": attempt, "ended": False}
                if trial := begin(number, attempt):
                    return trial
                database.execute(END, self._held)
            self._held = None
            return None

    def is_held(self, number: int) -> bool:
        """See `Claims`."""

        def ask() -> bool:
            with self._connected() as database:
                return database.execute(HELD, self._shared | {"number": number}).fetchone() is not None

        return self._retried(ask)

    def record(self, trial: Trial) -> None:
        """See `Claims`: while the row is locked, nobody else takes the trial."""
        self._retried(lambda: self._record(trial))

    def _record(self, trial: Trial) -> None:
        assert self._held
        with self._connected() as database:
            now = self._held | {"ended": trial.ended}
            if not database.execute(RECORD, now).rowcount:
                raise Lost(TAKEN.format(trial.number))
            self.sweep.write_trial(trial)
        self._held = now
        self._renewed = time.monotonic()

    def renew(self) -> bool:
        """See `Claims`."""
        held = self._held
        if held is None or held["ended"] or time.monotonic() - self._renewed < SECONDS_BETWEEN_RENEWALS:
            return True
        with suppress(*self._errors), self._connected() as database:
            is_ours = database.execute(RENEW, held).rowcount > 0
            self._renewed = time.monotonic()
            return is_ours
        return True  # nobody else can have it as long as the database is away

    def _connected(self) -> "Connection[Any]":
        return self._connect(
            self.address, connect_timeout=SECONDS_TO_CONNECT, application_name="hydra-queue", prepare_threshold=None
        )

    def _retried(self, request: Callable[[], Result]) -> Result:
        """Ask the database, again and again as long as it does not answer and no signal comes."""
        pause = 0.5
        while True:
            try:
                return request()
            except self._errors as error:
                if signals.pending():
                    raise Lost(f"the database of claims does not answer: {in_one_line(error)}") from None
                if pause == 1.0:  # once was no answer twice
                    log.warning("the database of claims does not answer (%s); trying again", in_one_line(error))
                time.sleep(pause)
                pause = min(2 * pause, MOST_SECONDS_BETWEEN_TRIES)
