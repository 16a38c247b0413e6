# Tells `keyhold run` where a Python program reads its secrets. Python loads it at its start because its folder is first
# in PYTHONPATH. It knows names and places, never looks at a value, prints nothing, and leaves the program alone whatever
# goes wrong here. With -I, -E or -S Python does not load it.
#
# Syntax that Python 2 can read, too, since PYTHONPATH is for every Python.
import os
import sys


def _watch():
    directory = os.environ.get("KEYHOLD_USES")
    if not directory or sys.version_info < (3, 8):
        return

    channel = os.path.join(directory, "events")
    # Events that wait for the reader; more are dropped.
    channel_bytes_max = 1024 * 1024
    # Reads of a name whose whole stack is looked at; of later ones the place that asks.
    stacks_max = 4096
    frames_max = 24
    program = os.path.basename(sys.executable or "") or "python"
    standard_library = os.path.dirname(os.__file__) + os.sep

    def send(line):
        # Appended whole: the kernel keeps the lines of different processes apart. Never waits, never fails.
        try:
            fd = os.open(channel, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        except OSError:
            return
        try:
            if os.fstat(fd).st_size < channel_bytes_max:
                os.write(fd, line.encode("utf-8", "surrogateescape"))
        except OSError:
            pass
        finally:
            os.close(fd)

    def event(*fields):
        texts = ["" if one is None else str(one) for one in fields]
        send("\t".join(one.replace("\t", " ").replace("\n", " ") for one in texts) + "\n")

    with open(os.path.join(directory, "names"), "rb") as names:
        watched = {
            name: 0 for name in names.read().decode("utf-8").split("\n") if name and name in os.environ
        }
    event("hello", "", program, "", "", "", "", os.getpid())
    if not watched:
        return

    told = set()

    def package_of(path):
        for folder in (os.sep + "site-packages" + os.sep, os.sep + "dist-packages" + os.sep):
            at = path.rfind(folder)
            if at >= 0:
                first = path[at + len(folder) :].split(os.sep)[0]
                return first[:-3] if first.endswith(".py") else first
        return None

    def is_own(path):
        # Of the standard library. Packages may be in a folder of it.
        return path.startswith("<frozen ") or (
            path.startswith(standard_library) and package_of(path) is None
        )

    def place_of(frame):
        # The line that asks for the value, and the package that does it for the line.
        via = None
        for _ in range(frames_max):
            if frame is None:
                break
            path = frame.f_code.co_filename
            package = package_of(path)
            if package is not None:
                via = via or package
            elif not is_own(path):
                return path, frame.f_lineno, via
            frame = frame.f_back
        return None, None, via

    def tell(kind, name, frame):
        path, line, via = place_of(frame)
        if path is None and via is None:
            return
        key = (kind, name, path, line, via)
        if key in told:
            return
        told.add(key)
        if path is not None and not path.startswith("<"):
            path = os.path.abspath(path)
        event(kind, name, program, path, line, "", via, "")

    # Code by the place in it that asks. By its id: a hash of code takes longer than all the rest. Kept, so that the id stays.
    seen = {}

    def note_read(name):
        try:
            count = watched[name] = watched[name] + 1
            frame = sys._getframe(2)
            code = frame.f_code
            if count > stacks_max and (name, id(code), frame.f_lasti) in seen:
                return
            while frame.f_back is not None and is_own(code.co_filename):
                frame = frame.f_back
                code = frame.f_code
            asking = (name, id(code), frame.f_lasti)
            if count > stacks_max and asking in seen:
                return
            seen[asking] = code
            tell("read", name, frame)
        except Exception:
            pass

    plain = type(os.environ)

    class Environ(plain):
        # Keys as they were listed last, and which of them is asked for next if somebody goes through them all.
        _keyhold_listed = ()
        _keyhold_next = 0

        def __getitem__(self, key):
            # As os.py does it, in one frame: a missing key has a traceback of the same length.
            try:
                value = self._data[self.encodekey(key)]
            except KeyError:
                error = KeyError(key)
                error.__suppress_context__ = True
                raise error
            listed, at = self._keyhold_listed, self._keyhold_next
            if at < len(listed) and listed[at] == key:
                self._keyhold_next = at + 1
            else:
                # Somebody listed the keys and went on to something else.
                self._keyhold_listed = ()
                if key in watched:
                    note_read(key)
            return self.decodevalue(value)

        def __contains__(self, key):
            return self.encodekey(key) in self._data

        def __iter__(self):
            listed = [self.decodekey(key) for key in list(self._data)]
            self._keyhold_listed, self._keyhold_next = listed, 0
            return iter(listed)

        def __setitem__(self, key, value):
            # What the program put there itself is no secret of the run.
            watched.pop(key, None)
            plain.__setitem__(self, key, value)

        def __delitem__(self, key):
            watched.pop(key, None)
            plain.__delitem__(self, key)

    Environ.__name__ = plain.__name__
    Environ.__qualname__ = plain.__qualname__
    Environ.__module__ = plain.__module__
    # The object stays the same, so that `from os import environ` has it as well.
    os.environ.__class__ = Environ

    # Processes that are started with the whole environment never ask for a value.
    starts = {"subprocess.Popen": 3, "os.exec": 2, "os.posix_spawn": 2, "os.system": None}

    def audit(name, arguments):
        if name not in starts:
            return
        at = starts[name]
        env = None if at is None else arguments[at]
        if env is not None and env is not os.environ:
            return
        try:
            frame = sys._getframe(1)
            for one in list(watched):
                tell("inherited", one, frame)
        except Exception:
            pass

    sys.addaudithook(audit)


def _go_on():
    # Whoever has a sitecustomize of their own gets it, and a path without this folder.
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [one for one in sys.path if not one or os.path.abspath(one) != here]
    own = sys.modules.pop("sitecustomize", None)
    try:
        import sitecustomize  # noqa: F401
    except ImportError as error:
        if getattr(error, "name", "sitecustomize") != "sitecustomize":
            raise
        if own is not None:
            sys.modules["sitecustomize"] = own


try:
    _watch()
except Exception:
    pass
_go_on()
