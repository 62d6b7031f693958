"""The production server: Granian's HTTP workers under our own supervisor.

Granian parses HTTP and runs the WSGI application in threads; :mod:`ecr_emulator.supervisor`
starts, watches, replaces and stops the worker processes. Why it is built so, and what was
measured, is in ``docs/decisions/0001-server.md``.
"""

from __future__ import annotations

import gc
import logging.config
import math
import os
import re
import signal
import socket
import sys
import threading
from collections.abc import Callable, MutableMapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ecr_emulator import home_processor
from ecr_emulator.clock import Clock
from ecr_emulator.connection_spread import ConnectionSpread, Loads
from ecr_emulator.stalls import StallGuard
from ecr_emulator.supervisor import STOP_SIGNALS, Supervisor, Work

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

    from ecr_emulator.config import Settings

#: Connections that wait for a worker to take them, while all are busy.
_BACKLOG = 1024
#: Bytes of a request's head, and of what is read ahead of the application. No setting: uploads
#: were measured with it.
_HEAD_LIMIT = 256 * 1024
#: Objects made, less those gone, after which the collector looks for garbage among them.
_GARBAGE_THRESHOLD = 20_000
#: Seconds until a worker that serves HTTPS is replaced. It loads its certificate once, which is
#: good for 60 days at least (``tls/authority.py``), so that what it shows never runs out.
_TLS_WORKER_LIFETIME = 30 * 86400.0
#: The names of WSGI's request variables. Granian starts each request's environ from the process's
#: environment, so that a variable with such a name would pass for what the client sent.
_REQUEST_VARIABLE = re.compile(
    r"(HTTP|CONTENT|PATH|REMOTE|REQUEST|SCRIPT|SERVER)_.*"
    r"|AUTH_TYPE|HTTPS|QUERY_STRING|RAW_URI|(wsgi|werkzeug|flask|ecr_emulator)\..*"
)


class CannotListen(Exception):
    """The address cannot be listened on; the text is one line that says why."""


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens on *host* and *port* (0: any free port).

    One socket for all workers: a port that is taken is noticed at once, what waits in the queue
    outlives a worker, and a worker that hangs keeps no connection from the others.

    :raises CannotListen: if the address is in use, not ours, or not an address.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host.strip("[]"), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise CannotListen(f"cannot listen on {_address(host, port)}: {error.strerror}") from None
    try:
        # Accepted connections inherit these. REUSEADDR lets a restart take the port at once;
        # it does not let two servers share it.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # Frees the thread of an upload whose client vanished without a word (two minutes).
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4)):
            if hasattr(socket, option):
                listener.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise CannotListen(f"cannot listen on {_address(host, port)}: {error.strerror}") from None
    return listener


def run(
    settings: Settings,
    make_application: Callable[[Settings], WSGIApplication],
    listener: socket.socket,
    on_ready: Callable[[], None],
    *,
    boot_timeout: float = 60.0,
    stop_timeout: float = 30.0,
    worker_lifetime: float | None = None,
    helper: Work | None = None,
) -> int:
    """Serve an application until SIGTERM or SIGINT, and return the command's exit status.

    :param make_application: called once in each worker, after the fork; the application's
        `close`, if it has one, is called after its last request.
    :param on_ready: called in this process once, when every worker has its application.
    :param boot_timeout: see :class:`~ecr_emulator.supervisor.Supervisor`, as *stop_timeout*,
        *helper* and *worker_lifetime*, which without TLS is endless when left out.
    """
    if worker_lifetime is None:
        worker_lifetime = _TLS_WORKER_LIFETIME if settings.tls else math.inf
    logging.config.dictConfig(log_config(settings.log_level))
    # What is loaded by now is shared with the workers; keep the collector from touching it.
    gc.collect()
    gc.freeze()
    loads = Loads(settings.workers)
    supervisor = Supervisor(
        lambda number, ready: _work(settings, make_application, listener, loads, number, ready),
        settings.workers,
        listener,
        on_ready,
        boot_timeout=boot_timeout,
        stop_timeout=stop_timeout,
        worker_lifetime=worker_lifetime,
        helper=helper,
    )
    return supervisor.run()


def log_config(level: str) -> dict[str, Any]:
    """Return the logging configuration: our own lines at *level*, others' warnings, to stderr.

    Other libraries stay at warnings whatever the level, for their debugging output holds
    headers, and headers hold secrets.
    """
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "line": {"format": "%(asctime)s %(levelname)s %(process)d %(name)s: %(message)s"}
        },
        "handlers": {
            "stderr": {
                "class": "logging.StreamHandler",
                "formatter": "line",
                "stream": "ext://sys.stderr",
            }
        },
        "root": {"level": "WARNING", "handlers": ["stderr"]},
        "loggers": {
            "ecr_emulator": {"level": level.upper()},
            # Granian looks its own two up.
            "_granian": {"level": "WARNING"},
            "granian.access": {"level": "WARNING"},
        },
    }


def forget_request_variables(environ: MutableMapping[str, str]) -> None:
    """Remove from a process's environment what would pass for a part of a request.

    ``HTTP_PROXY`` means something to a process too, so it is kept under its other name.
    """
    for name in list(environ):
        if _REQUEST_VARIABLE.fullmatch(name):
            value = environ.pop(name)
            if name == "HTTP_PROXY":
                environ.setdefault("http_proxy", value)


def _work(
    settings: Settings,
    make_application: Callable[[Settings], WSGIApplication],
    listener: socket.socket,
    loads: Loads,
    number: int,
    ready: Callable[[], None],
) -> None:
    """Be a worker: make the application and serve it with Granian until told to stop."""
    from granian import _signals, net
    from granian.constants import HTTPModes, Interfaces, RuntimeModes, SSLProtocols
    from granian.http import HTTP1Settings
    from granian.log import LogLevels
    from granian.server import MPServer

    spread = ConnectionSpread(make_application(settings), loads, listener.getsockname()[1])
    application = StallGuard(spread, settings.stall_timeout)
    # What was made by now stays. An answer of many items makes more objects than the collector
    # waits for by default, none of them garbage: it took a third of the time of such an answer.
    gc.freeze()
    gc.set_threshold(_GARBAGE_THRESHOLD, 20, 50)
    # Each worker, so that one that takes another's place shows a certificate of that time.
    pem = _certificate(settings) if settings.tls else None
    forget_request_variables(os.environ)

    def load() -> WSGIApplication:
        """Called by Granian as the last thing before it serves."""
        application.start()
        home_processor.settle(number, settings.workers)
        ready()
        return application

    server: Any = MPServer(
        "",  # the application is made by load()
        interface=Interfaces.WSGI,
        workers=1,
        blocking_threads=settings.threads,
        runtime_mode=RuntimeModes.mt,
        http=HTTPModes.http1,
        websockets=False,
        backlog=_BACKLOG,
        backpressure=settings.connections,
        http1_settings=HTTP1Settings(
            header_read_timeout=settings.head_timeout * 1000, max_buffer_size=_HEAD_LIMIT
        ),
        log_level=LogLevels.warning,
        log_dictconfig=log_config(settings.log_level),
        log_access=False,
        ssl_cert=pem,
        ssl_key=pem,
        ssl_protocol_min=SSLProtocols.tls12,
    )
    # Granian's own master would start a process from here on. This process is the worker
    # already, and its socket was opened by our master: so the worker's body is run as it is.
    _replace(_signals, "set_sync_signals", _stop_signal)
    holder: Any = vars(net)["SocketHolder"]
    backlog = (_BACKLOG,) if sys.platform == "linux" else ()
    server._ssp, server._sso = None, None
    server._shd = holder(listener.fileno(), False, *backlog)
    server._spawn_worker(0, server._spawn_wsgi_worker, load).inner.run()
    application.close()


def _certificate(settings: Settings) -> Path:
    """Return the file with the server's key and certificate; it is made or renewed as needed."""
    from ecr_emulator.tls.authority import CertificateFolder
    from ecr_emulator.tls.names import certificate_names

    return CertificateFolder(settings.data_dir, Clock()).ensure(certificate_names(settings)).path


def _replace(module: ModuleType, name: str, function: Callable[..., object]) -> None:
    """Put *function* in the place of a module's own, which has to be there."""
    if not hasattr(module, name):
        raise RuntimeError(f"this version of Granian has no {module.__name__}.{name}")
    setattr(module, name, function)


def _stop_signal() -> object:
    """Return Granian's stop event, set exactly once, at the first signal that asks for it.

    Granian sets it in Python signal handlers, which run when the main thread gets to it. That
    thread waits in a lock all its life: a signal that the kernel gives to another thread does not
    wake it (seen in 1 stop of 50, and the worker served on), and two signals can set the event
    twice at once, which deadlocks. So the handlers do nothing here: what Python's own handler
    writes down at once, in whatever thread, is read by a thread that waits for nothing else.
    """
    from granian._granian import WorkerSignal

    event = WorkerSignal()
    read, write = os.pipe()
    os.set_blocking(write, False)
    for name in STOP_SIGNALS:
        signal.signal(name, lambda *_: None)
    signal.set_wakeup_fd(write)

    def watch() -> None:
        while os.read(read, 1)[0] not in STOP_SIGNALS:
            pass
        event.set()

    threading.Thread(target=watch, name="stop", daemon=True).start()
    return event


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host and not host.startswith("[") else f"{host}:{port}"
