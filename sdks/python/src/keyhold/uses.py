"""Reports which lines read a secret, in the background: ``Secret used: GITHUB_TOKEN (app.py:12)`` in the audit log."""

from __future__ import annotations

import atexit
import os
import re
import sys
import threading
import uuid
import weakref
from typing import Any, Callable, Dict, List, Optional, Set, Tuple

_BATCH_SECONDS = 1.0
#: How long the end of the program waits for the last report.
_FLUSH_SECONDS = 1.5
_USES_PER_REPORT = 100
_PLACES_MAX = 1_000
_PATH_MAX = 512
_UNPRINTABLE = re.compile("[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_OWN = os.path.dirname(os.path.abspath(__file__)) + os.sep

#: Sends a report within so many seconds, and says how many more are recorded.
Send = Callable[[Dict[str, Any], float], int]


class UseReporter:
    """Collects places of one process, each once. Never raises."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._root = os.path.realpath(os.getcwd())
        self.begin()
        _reporters.add(self)

    def begin(self) -> None:
        """Also in a child that was forked: it is another run, and has no thread."""
        self._lock, self._sending = threading.Lock(), threading.Lock()
        self._run = uuid.uuid4().hex
        self._told: Set[Tuple[Any, ...]] = set()
        self._waiting: Dict[Optional[str], List[Dict[str, Any]]] = {}
        self._is_full = False
        self._thread: Optional[threading.Thread] = None

    def note(self, name: str, environment: Optional[str], value: bytes) -> None:
        """Keeps that the calling line read a name. `value` is only looked for in what would be told."""
        try:
            place = self._place(value)
            if place is None:
                return
            key = (environment, name) + tuple(place.values())
            with self._lock:
                if self._is_full or key in self._told or len(self._told) >= _PLACES_MAX:
                    return
                self._told.add(key)
                self._waiting.setdefault(environment, []).append({"name": name, "kind": "read", **place})
                if self._thread is None:
                    self._thread = threading.Thread(target=self._later, name="keyhold-uses", daemon=True)
                    self._thread.start()
        except Exception:
            # At the end of the interpreter there are no new threads; `flush` sends what waits.
            self._thread = None

    def flush(self) -> None:
        """Sends what waits, and takes no longer than a moment."""
        sender = threading.Thread(target=self._send_waiting, args=(_FLUSH_SECONDS,), daemon=True)
        try:
            with self._lock:
                if not self._waiting:
                    return
            sender.start()
            sender.join(_FLUSH_SECONDS)
        except RuntimeError:
            self._send_waiting(_FLUSH_SECONDS)

    def _later(self) -> None:
        threading.Event().wait(_BATCH_SECONDS)
        with self._lock:
            self._thread = None
        self._send_waiting(10.0)

    def _send_waiting(self, seconds: float) -> None:
        with self._sending:
            with self._lock:
                waiting, self._waiting = self._waiting, {}
            for environment, uses in waiting.items():
                for at in range(0, len(uses), _USES_PER_REPORT):
                    report: Dict[str, Any] = {"run": self._run, "uses": uses[at : at + _USES_PER_REPORT]}
                    if environment is not None:
                        report["environment"] = environment
                    try:
                        if self._send(report, seconds) <= 0:
                            self._is_full = True
                            return
                    except Exception:
                        # Not sent again: the server may have it. The program has its value.
                        return

    def _place(self, value: bytes) -> Optional[Dict[str, Any]]:
        frame = sys._getframe(1)
        via: Optional[str] = None
        while frame is not None:
            path = frame.f_code.co_filename
            package = _package_of(path)
            if package is not None and not path.startswith(_OWN):
                via = via or package
            elif package is None and not path.startswith(_OWN):
                break
            frame = frame.f_back  # type: ignore[assignment]
        program = _UNPRINTABLE.sub("", os.path.basename(sys.argv[0] if sys.argv else "")) or "python"
        place: Dict[str, Any] = {"program": program[:100]}
        if frame is not None:
            place["file"], place["line"] = self._shown(frame.f_code.co_filename), frame.f_lineno
        if via is not None and re.match(r"^[A-Za-z0-9_][A-Za-z0-9._~-]{0,99}$", via):
            place["via"] = via
        text = value.decode("utf-8", "replace")
        if len(text) >= 4 and any(text in str(one) for one in place.values()):
            return None
        return place

    def _shown(self, path: str) -> str:
        """Relative to where the program was started; of files elsewhere only the name."""
        if not path.startswith("<"):
            whole = os.path.realpath(path)
            inside = whole.startswith(self._root.rstrip(os.sep) + os.sep)
            path = os.path.relpath(whole, self._root) if inside else os.path.basename(whole)
        path = _UNPRINTABLE.sub("\ufffd", path)
        return path if len(path) <= _PATH_MAX else os.path.basename(path)[-_PATH_MAX:]


#: Those of clients that are still there.
_reporters: "weakref.WeakSet[UseReporter]" = weakref.WeakSet()


def _flush_all() -> None:
    for reporter in list(_reporters):
        reporter.flush()


def _begin_all() -> None:
    for reporter in list(_reporters):
        reporter.begin()


atexit.register(_flush_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_all)


def _package_of(path: str) -> Optional[str]:
    for folder in ("site-packages", "dist-packages"):
        _, found, rest = path.rpartition(os.sep + folder + os.sep)
        if found:
            first = rest.split(os.sep)[0]
            return first[:-3] if first.endswith(".py") else first
    return None
