"""PostgreSQL by asyncpg: its binary protocol, its cache of prepared statements."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlencode

from covet.db import errors as e
from covet.db.backends import traces
from covet.db.backends.direct import Gate, loop_for
from covet.db.backends.driver import CONNECT_TIMEOUT_S, Connection, Driver, Inserted, Outcome, Rows, StreamOver, seconds
from covet.db.backends.features import Features, require_version
from covet.db.backends.postgresql.arrays import connection_class, use_native_arrays
from covet.db.backends.postgresql.dialect import PostgreSQLDialect
from covet.db.backends.postgresql.moments import use_native_moments
from covet.db.backends.postgresql.opening import Opening
from covet.db.backends.postgresql.options import check_options, is_on
from covet.exceptions import MissingDependency
from covet.loading import late_module

if TYPE_CHECKING:
    from covet.db.backends import uncancelled as cancelling
    from covet.db.backends.postgresql import failures, hosts, together
    from covet.db.sql.statements import Insert
else:
    cancelling = late_module(__name__, "covet.db.backends.uncancelled", "cancelling")
    failures = late_module(__name__, "covet.db.backends.postgresql.failures")
    hosts = late_module(__name__, "covet.db.backends.postgresql.hosts")
    together = late_module(__name__, "covet.db.backends.postgresql.together")

try:
    import asyncpg
    from asyncpg import exceptions as pg
except ImportError:  # pragma: no cover - the package is there in the test environment
    raise MissingDependency("asyncpg", extra="postgres", feature="A PostgreSQL database") from None

__all__ = ["PostgreSQLConnection", "PostgreSQLDriver"]

_INTEGER_OPTIONS = ("statement_cache_size", "max_cached_statement_lifetime", "max_cacheable_statement_size")
# So many prepared statements of a connection are kept at hand; asyncpg itself keeps 100, if not told otherwise.
_KEPT_STATEMENTS = 1000
# How long the server may take to confirm a cancellation before it is asked again; each time twice as long.
_ASK_AGAIN_S = 0.1
# What asyncpg raises when tables or types are no longer those that a statement was prepared for.
_CHANGED = (pg.InvalidCachedStatementError, pg.OutdatedSchemaCacheError)


class PostgreSQLConnection(Connection):
    """An asyncpg connection behind our protocol."""

    __slots__ = (
        "_gate",
        "_hurrying",
        "_is_cancelling",
        "_is_connected",
        "_keeps_session",
        "_opening",
        "_query",
        "_run",
        "_statements",
        "raw",
    )

    def __init__(self, raw: asyncpg.Connection, gate: Gate, *, keeps_session: bool = True, names: bool = False) -> None:
        super().__init__()
        self.raw = raw
        self._gate = gate
        self._hurrying: asyncio.TimerHandle | None = None
        self._keeps_session = keeps_session
        self._opening = Opening(raw._transport, raw._protocol if names else None)
        # asyncpg's ``fetch`` is a dozen calls round this one, a fifth of what a small query costs. So a statement that asyncpg has
        # prepared and keeps goes there at once; whatever is new, or was closed meanwhile, takes asyncpg's own way.
        self._run = raw._protocol.bind_execute
        self._query = raw._protocol.query
        self._is_cancelling = raw._protocol._is_cancelling
        self._is_connected = raw._protocol.is_connected
        self._statements: dict[str, Any] = {}

    async def fetch(self, sql: str, args: Sequence[Any]) -> Rows:
        """Run a statement and return asyncpg's records."""
        statement = self._statements.get(sql)
        if statement is None or statement.closed:
            rows: Rows = await self.raw.fetch(sql, *args)
            self._keep(sql)
            self._look_for_drops(sql)
            return rows
        try:
            return await self._run(statement, args, "", 0, False, None)  # type: ignore[no-any-return]  # records
        except _CHANGED as error:
            await self._forget_changed(error)
            return await self.raw.fetch(sql, *args)

    def begin_fetch(self, sql: str, args: Sequence[Any]) -> Awaitable[Rows]:
        """Run a statement; one that asyncpg has prepared by asyncpg's own coroutine, and none of ours round it."""
        statement = self._statements.get(sql)
        if statement is None or statement.closed:
            return self.fetch(sql, args)
        return self._run(statement, args, "", 0, False, None)  # type: ignore[no-any-return]  # what gives the records

    async def forget_changed(self, error: BaseException) -> bool:
        """Forget the statements whose tables or types have changed; tell whether this one has not run."""
        if not isinstance(error, _CHANGED):
            return False
        try:
            await self._forget_changed(error)
        except _CHANGED:
            return False
        return True

    def _keep(self, sql: str) -> None:
        """Note the statement that asyncpg has prepared for a text, if it keeps it."""
        statement = self.raw._stmt_cache.get((sql, asyncpg.Record, False))
        if statement is not None:
            if len(self._statements) >= _KEPT_STATEMENTS:
                self._statements.clear()
            self._statements[sql] = statement

    def _look_for_drops(self, sql: str) -> None:
        """After a text that may have dropped the session's prepared statements: keep none of them, asyncpg's neither."""
        if traces.drops_statements(sql):
            self._opening.lose_names()
            self._statements.clear()
            self.raw._drop_local_statement_cache()

    async def _forget_changed(self, error: Exception) -> None:
        """After a change of the tables or types that statements were prepared for: forget them, as asyncpg does.

        Raises:
            Exception: The error again, where the statement must not run a second time.
        """
        if isinstance(error, pg.OutdatedSchemaCacheError):
            # The statement has run, only its rows cannot be read.
            await self.raw.reload_schema_state()
            raise error
        self.raw._drop_local_statement_cache()
        if self.raw.is_in_transaction():
            raise error

    async def read(self, sql: str, args: Sequence[Any]) -> tuple[list[str], Rows]:
        """Run a statement and return the names of its columns with the records."""
        rows: Rows = await self.fetch(sql, args)
        if rows:
            record: Any = rows[0]
            return list(record.keys()), rows
        statement = await self.raw.prepare(sql, name="")
        return [column.name for column in statement.get_attributes()], rows

    async def outcome(self, sql: str, args: Sequence[Any]) -> Outcome:
        """Run a statement and return all that is known of it; of several in one text only that they ran."""
        if not args and traces.is_several(sql):
            try:
                return Outcome(count=_count(await self.raw.execute(sql)))
            finally:
                self._look_for_drops(sql)
        # Without a name: it lives until the next one, and asks nothing of a pooler in between.
        statement = await self.raw.prepare(sql, name="")
        columns = tuple(
            (column.name, column.type.oid, None, None, None, None, None) for column in statement.get_attributes()
        )
        rows = [tuple(record) for record in await statement.fetch(*args)]
        self._look_for_drops(sql)
        return Outcome(columns, rows, _count(statement.get_statusmsg()))

    async def execute(self, sql: str, args: Sequence[Any]) -> int:
        """Run a statement; several in one text where there are no arguments. The command tag tells the count."""
        statement = self._statements.get(sql)
        if statement is None or statement.closed or not args:
            try:
                status: str = await self.raw.execute(sql, *args)
            finally:
                self._look_for_drops(sql)  # what DEALLOCATE does no rollback undoes
            if args:
                self._keep(sql)
            return max(0, _count(status))
        try:
            tag: bytes = (await self._run(statement, args, "", 0, True, None))[1]
        except _CHANGED as error:
            await self._forget_changed(error)
            return max(0, _count(await self.raw.execute(sql, *args)))
        try:
            return int(tag.rpartition(b" ")[2])
        except ValueError:
            # A command that changes no rows.
            return 0

    async def insert(self, sql: str, args: Sequence[Any]) -> Inserted:
        """Run an insert and return its RETURNING rows."""
        statement = self._statements.get(sql)
        if statement is not None and not statement.closed:
            # As ``fetch`` does, without its coroutine.
            try:
                return await self._run(statement, args, "", 0, False, None), None
            except _CHANGED as error:
                await self._forget_changed(error)
        return await self.fetch(sql, args), None

    async def execute_many(self, sql: str, args_list: Sequence[Sequence[Any]]) -> None:
        """Run a statement for each argument list, in one round trip and one transaction."""
        await self.raw.executemany(sql, args_list)

    async def stream(self, sql: str, args: Sequence[Any], chunk_size: int) -> AsyncIterator[Rows]:
        """Read by a portal of the server; outside a transaction one is opened for as long as the reading takes."""
        if self.in_transaction and not self.raw.is_in_transaction():
            # asyncpg makes a cursor only where it has heard of a transaction: by the end of any statement.
            await self.raw.execute("SELECT 1")
        own = not self.raw.is_in_transaction()
        if own:
            await self.raw.execute("BEGIN READ ONLY")
        has_answered = False
        try:
            if self._keeps_session:
                cursor = await self.raw.cursor(sql, *args)
            else:
                # A name would outlive the transaction, in a session that is somebody else's next.
                statement = await self.raw.prepare(sql, name="")
                cursor = await statement.cursor(*args)
            while chunk := await cursor.fetch(chunk_size):
                has_answered = True
                yield chunk
                has_answered = False
            has_answered = True
        except StreamOver:
            has_answered = False
            raise
        finally:
            if own and self._is_connected():
                await self.raw.execute("ROLLBACK")
            elif has_answered and self._is_connected() and self.raw.is_in_transaction():
                # As long as it is open, the transaction can change no table that it reads.
                await cursor._close_portal(None)

    @property
    def is_closed(self) -> bool:
        """Whether the socket is gone."""
        return not self._is_connected()

    @property
    def in_transaction(self) -> bool:
        """What the server said last about its transaction."""
        opening = self._opening
        return opening.waits or opening.is_unseen or self.raw.is_in_transaction()

    async def begin(self) -> None:
        """Start a transaction, together with its first statement."""
        if not self._is_connected():
            raise pg.InterfaceError("connection is closed")
        self._opening.begin()

    async def commit(self) -> None:
        """Commit; a transaction that is broken would be rolled back silently, so it is refused."""
        if self._opening.drop():
            return
        # As ``raw.execute`` does, without its layers.
        if await self._query("COMMIT", None) == "ROLLBACK":
            raise failures.rolled_back()

    async def commit_uncancelled(self) -> None:
        """Commit; the connection's own futures hold a cancellation back, which is less than to drive a coroutine for it."""
        opening = self._opening
        if (opening.waits or opening.is_unseen) and opening.drop():
            return
        if self._is_cancelling():
            # asyncpg waits for the end of the statement before by futures of its own.
            await cancelling.uncancelled(self.commit(), self.terminate)
            return
        gate = self._gate
        statement = opening.commit
        if statement is None and opening.may_keep_names and self.raw.is_in_transaction():
            statement = opening.keep_names()
        gate.hold(self._hurry)
        try:
            if statement is None:
                is_undone = await self._query("COMMIT", None) == "ROLLBACK"
            else:
                is_undone = (await self._run(statement, (), "", 0, True, None))[1] == b"ROLLBACK"
                if opening.commit is None:
                    opening.has_kept(statement)
            if is_undone:
                raise failures.rolled_back()
        except asyncio.CancelledError:
            held = gate.let_go()
            if held is None or not held.done():
                self.terminate()
                raise e.ConnectionLost("COMMIT was cut off, so nobody knows whether it took effect.") from None
            # What the server says goes before the cancellation.
            if (answer := held.result()) == "ROLLBACK" or answer[1] == b"ROLLBACK":
                raise failures.rolled_back() from None
            raise
        finally:
            gate.let_go()
            if self._hurrying is not None:
                self._hurrying.cancel()
                self._hurrying = None

    def _hurry(self) -> None:
        if self._hurrying is None:
            self._hurrying = self._gate.loop.call_later(cancelling.SETTLE_S, self.terminate)

    async def rollback(self) -> None:
        """Roll the transaction back, if it has begun."""
        begun = self.in_transaction
        if not self._opening.drop() and begun:
            await self._query("ROLLBACK", None)

    async def savepoint(self, name: str) -> None:
        """Set a savepoint, without the layers of ``raw.execute``: they are a thirteenth of what a transaction with one costs the client."""
        # Not prepared: each name would be a statement of its own, and push those of the project out of asyncpg's cache.
        await self._query(f"SAVEPOINT {name}", None)

    async def release(self, name: str) -> None:
        """Forget a savepoint and keep what was done since."""
        await self._query(f"RELEASE SAVEPOINT {name}", None)

    async def settle(self) -> None:
        """Wait until the server has confirmed that the cancelled statement is over, and ask again while it does not.

        The server forgets a request to cancel that finds the session idle, and one that overtakes its statement does: that
        statement would run to its end, with all its locks, and without anybody to take its answer.
        """
        if not self._is_cancelling():
            return
        loop = asyncio.get_running_loop()
        over = loop.create_task(self.raw._protocol._wait_for_cancellation())
        patience = _ASK_AGAIN_S
        try:
            while not (await asyncio.wait((over,), timeout=patience))[0]:
                patience *= 2
                sent: asyncio.Future[None] = loop.create_future()
                self.raw._cancel_current_command(sent)
                # Once the server has closed the request's own connection, it can no more meet a statement that comes later.
                await sent
        finally:
            over.cancel()
        await over

    async def reset(self) -> None:
        """Drop listeners, locks, session settings and temporary tables; behind a pooler there are none of ours."""
        if not self._keeps_session:
            return
        await self.raw.reset()
        # RESET ALL leaves who the session is; what the connection began as comes back by the second.
        await self.raw.execute("SET SESSION AUTHORIZATION DEFAULT; RESET ROLE; DISCARD TEMP; DISCARD SEQUENCES")

    async def ping(self) -> None:
        """Ask for one number: asyncpg stumbles over an empty statement on a connection that has run none."""
        await self.raw.execute("SELECT 1")

    async def close(self) -> None:
        """Close in good order."""
        await self.raw.close()

    def terminate(self) -> None:
        """Cut the connection."""
        self.raw.terminate()

    @property
    def announced_pid(self) -> int:
        """The process number that was told at the connecting: the server's own, or one that a pooler made up."""
        return int(self.raw.get_server_pid())

    def forget_statements(self) -> None:
        """Empty asyncpg's cache: inside a transaction a plan whose result types have changed is an error."""
        self.raw._drop_local_statement_cache()

    async def defer_constraints(self, deferred: bool) -> None:
        """Check deferrable rules at the commit, or at once (which also checks what was put off)."""
        await self.raw.execute(f"SET CONSTRAINTS ALL {'DEFERRED' if deferred else 'IMMEDIATE'}")


class PostgreSQLDriver(Driver):
    """Connects by asyncpg.

    Options of the URL: what libpq's URLs may hold (``sslmode``, ``sslrootcert``, ``target_session_attrs``, …), ``connect_timeout``,
    ``command_timeout``, ``statement_cache_size``, ``server_settings``, ``role``, ``isolation_level``, ``group_inserts`` (on unless it is off:
    inserts that tasks ask for at the same time may share a statement), and ``pgbouncer``: a pooler in transaction mode stands before the server,
    so nothing may be left in a session.
    """

    vendor: ClassVar[str] = "postgresql"
    minimum: ClassVar[tuple[int, ...]] = (15,)
    groups_inserts: bool = True

    def __init__(self, config: Any, alias: str) -> None:
        super().__init__(config, alias)
        self.features = Features(server="PostgreSQL", error_breaks_transaction=True)
        self._arguments = self._connect_arguments()

    def check_session(self, sql: str, *, in_transaction: bool = False) -> None:
        """Refuse what a pooler in transaction mode would leave in a session that is somebody else's next."""
        if not self.pools_transactions or not traces.outlives_transaction(sql):
            return
        if not in_transaction or not traces.ends_with_transaction(sql):
            raise failures.session_changed(sql, self.alias)

    def ends_with_transaction(self, sql: str) -> bool:
        """Whether all that a statement changes in the session is as before when its transaction has ended, as by SET LOCAL."""
        return traces.ends_with_transaction(sql)

    def no_reset_undoes(self, sql: str) -> bool:
        """Whether a statement leaves what only closing takes away: to drop all that is prepared would drop ours as well."""
        return traces.no_reset_undoes(sql)

    def make_dialect(self) -> PostgreSQLDialect:
        """Return the dialect; it does not hang on the server's version."""
        return PostgreSQLDialect()

    def _connect_arguments(self) -> dict[str, Any]:
        config = self.config
        options = dict(config.options)
        self.pools_transactions = is_on(options.pop("pgbouncer", False))
        self.groups_inserts = is_on(options.pop("group_inserts", self.groups_inserts))
        own = {
            server: str(options.pop(name))
            for name, server in (("role", "role"), ("isolation_level", "default_transaction_isolation"))
            if name in options
        }
        check_options(self.alias, own, options, pools_transactions=self.pools_transactions)
        arguments: dict[str, Any] = {name: int(options.pop(name)) for name in _INTEGER_OPTIONS if name in options}
        if self.pools_transactions:
            arguments["statement_cache_size"] = 0
        timeout = options.pop("timeout", CONNECT_TIMEOUT_S)
        arguments["timeout"] = seconds(self.alias, "connect_timeout", options.pop("connect_timeout", timeout))
        if "command_timeout" in options:
            arguments["command_timeout"] = seconds(self.alias, "command_timeout", options.pop("command_timeout"))
        settings = {"timezone": "UTC", "application_name": "covet", **own, **options.pop("server_settings", {})}
        for name in ("ssl", "passfile", "krbsrvname", "gsslib", "direct_tls"):
            if name in options:
                arguments[name] = options.pop(name)
        if (wanted := options.pop("target_session_attrs", None)) is not None:
            arguments["target_session_attrs"] = hosts.checked(wanted, self.alias)
        # What else a libpq URL may hold (sslmode, sslrootcert, application_name, …) asyncpg reads from a URL only.
        texts = {name: str(value) for name, value in options.items()}
        if "application_name" in texts:
            settings["application_name"] = texts.pop("application_name")
        arguments["dsn"] = f"postgresql://?{urlencode(texts)}" if texts else None
        arguments["server_settings"] = settings
        for name, value in (("host", config.host), ("user", config.user), ("password", config.password)):
            if value:
                arguments[name] = value
        if config.port:
            arguments["port"] = config.port
        arguments["database"] = config.name
        return arguments

    async def connect(self, *, read_only: bool = False) -> PostgreSQLConnection:
        """Open a connection; a server that is older than PostgreSQL 15 raises ``NotSupportedError``."""
        if self.config.servers:
            return await hosts.first_server(self._reach, self.config, self._arguments, self.alias)
        return await self._reach(self.config, self._arguments)

    async def _reach(self, config: Any, arguments: dict[str, Any]) -> PostgreSQLConnection:
        gate = Gate(asyncio.get_running_loop())
        try:
            raw = await asyncpg.connect(loop=loop_for(gate), connection_class=connection_class(), **arguments)
        except (pg.PostgresError, pg.InterfaceError, pg.InternalClientError, OSError, ValueError) as error:
            raise failures.not_connected(error, config, self.alias, arguments["timeout"]) from error
        try:
            return self._set_up(raw, gate)
        except BaseException:
            raw.terminate()
            raise

    def _set_up(self, raw: asyncpg.Connection, gate: Gate) -> PostgreSQLConnection:
        if not self.features.version:
            version = raw.get_server_version()
            numbers = (version.major, version.minor)
            server = f"PostgreSQL {version.major}.{version.minor}"
            require_version(server, numbers, self.minimum, self.alias)
            self.features = Features(server, numbers, error_breaks_transaction=True)
        # What asyncpg does beside its protocol is the loop's business alone.
        raw._loop = gate.loop
        gate.stand_before(raw._protocol, raw._transport)
        use_native_moments(raw)
        use_native_arrays(raw)
        # Who turns asyncpg's own cache off has a pooler between, of whatever kind.
        names = bool(self._arguments.get("statement_cache_size", True))
        return PostgreSQLConnection(raw, gate, keeps_session=not self.pools_transactions, names=names)

    def translate(self, error: BaseException, sql: str) -> e.DatabaseError | None:
        """Return our error for an SQLSTATE, or for asyncpg's own complaints."""
        return failures.translate(error, sql, self.alias)

    def together(self, insert: Insert, sql: str) -> together.Together | None:
        """Return what lets the inserts of one shape share statements, unless the option ``group_inserts`` is off."""
        return together.together_for(self, insert, sql) if self.groups_inserts else None

    def was_not_sent(self, error: BaseException) -> bool:
        """Whether asyncpg noticed that the connection was closed before it wrote anything."""
        return isinstance(error, (pg.InterfaceError, pg.InternalClientError)) and (
            "connection is closed" in str(error) or "cannot switch to state" in str(error)
        )


def _count(status: str) -> int:
    """Return how many rows a command tag tells: ``INSERT 0 3`` is 3, ``CREATE TABLE`` is -1."""
    count = status.rpartition(" ")[2]
    return int(count) if count.isdigit() else -1
