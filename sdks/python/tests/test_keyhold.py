"""With a real server, which KEYHOLD_URL and KEYHOLD_ACCESS_KEY_* name, and with one that fails as it is told.

e2e/python-sdk.test.ts starts the real one, and looks at its audit log afterwards.
"""

import base64
import json
import os
import pickle
import socket
import subprocess
import sys
import tempfile
import threading
import unittest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from keyhold import (
    ConfigurationInvalid,
    Conflict,
    InvalidRequest,
    Keyhold,
    KeyholdError,
    NotSignedIn,
    NotText,
    Refused,
    Secret,
    SecretNotFound,
    Unreachable,
)

VALUE = "ghp_canary-of-the-python-sdk"


class WithRealServer(unittest.TestCase):
    def setUp(self):
        self.keyhold = Keyhold.from_env()

    def test_get(self):
        self.assertEqual(self.keyhold.get("GITHUB_TOKEN"), VALUE)  # This line is looked for in the log.
        self.assertEqual(self.keyhold.get_bytes("GITHUB_TOKEN"), VALUE.encode())
        self.assertEqual(self.keyhold.get("GITHUB_TOKEN", environment="staging"), "of staging")

    def test_missing_names_are_explained(self):
        """SEC-34: exactly "GITHUB_TOKN not found", four reasons, and the name that was meant."""
        with self.assertRaises(SecretNotFound) as raised:
            self.keyhold.get("GITHUB_TOKN")
        error = raised.exception
        self.assertEqual(str(error), "GITHUB_TOKN not found")
        self.assertEqual((error.code, error.status, error.name), ("secret.not_found", 404, "GITHUB_TOKN"))
        self.assertEqual(len(error.reasons), 4)
        self.assertEqual(error.near_matches, ("GITHUB_TOKEN",))
        self.assertTrue(error.trace_id)

    def test_default_stands_in_for_a_missing_secret_only(self):
        self.assertEqual(self.keyhold.get("NOT_THERE", default="x"), "x")
        self.assertIsNone(self.keyhold.get("NOT_THERE", default=None))
        with self.assertRaises(KeyholdError) as raised:
            self.keyhold.get("GITHUB_TOKEN", environment="nowhere", default="x")
        self.assertEqual(raised.exception.code, "environment.not_found")
        stranger = Keyhold(os.environ["KEYHOLD_URL"], os.environ["KEYHOLD_ACCESS_KEY_ID"], "kh_key_wrong")
        with self.assertRaises(NotSignedIn) as refused:
            stranger.get("NOT_THERE", default="x")
        self.assertEqual(refused.exception.code, "auth.required")

    def test_all(self):
        secrets = self.keyhold.all()
        self.assertEqual(secrets["GITHUB_TOKEN"].text(), VALUE)
        self.assertEqual(secrets["BYTES"].bytes(), b"\x00\xff")
        with self.assertRaises(NotText):
            secrets["BYTES"].text()
        unresolved = []
        self.assertNotIn("BROKEN", self.keyhold.all(on_unresolved=unresolved.append))
        self.assertEqual([one["name"] for one in unresolved], ["BROKEN"])

    def test_set_create_update(self):
        made = self.keyhold.set("FROM_PYTHON", "a first value", type="password", description="made here")
        self.assertEqual((made["version"], made["type"], made["description"]), (1, "password", "made here"))
        self.assertEqual(self.keyhold.set("FROM_PYTHON", "a first value")["version"], 1)
        self.assertEqual(self.keyhold.set("FROM_PYTHON", "another value")["version"], 2)
        self.assertEqual(self.keyhold.get("FROM_PYTHON"), "another value")
        with self.assertRaises(Conflict) as raised:
            self.keyhold.set("FROM_PYTHON", "x", expected_version=1)
        self.assertEqual(raised.exception.code, "secret.changed")
        with self.assertRaises(Conflict):
            self.keyhold.create("FROM_PYTHON", "x")
        with self.assertRaises(SecretNotFound):
            self.keyhold.update("NEVER_MADE", "x")
        with self.assertRaises(SecretNotFound):
            self.keyhold.set("NEVER_MADE", "x", expected_version=1)
        self.keyhold.set("BINARY", b"\x00\x01\xfe", type="file")
        self.assertEqual(self.keyhold.get_bytes("BINARY"), b"\x00\x01\xfe")
        with self.assertRaises(InvalidRequest) as invalid:
            self.keyhold.create("not a name", "x")
        self.assertEqual(invalid.exception.errors[0][0], "name")

    def test_a_key_that_may_only_read(self):
        reader = Keyhold(
            os.environ["KEYHOLD_URL"], os.environ["READER_ID"], os.environ["READER_KEY"], report_uses=False
        )
        with self.assertRaises(Refused) as raised:
            reader.set("FROM_PYTHON", "x")
        self.assertEqual((raised.exception.code, raised.exception.status), ("access.refused", 403))
        self.assertEqual(reader.project()["permission"], "read")

    def test_watch(self):
        versions = self.keyhold.watch()
        first = next(versions)
        self.keyhold.set("WATCHED", str(os.urandom(8)))
        self.assertNotEqual(next(versions), first)
        versions.close()
        with self.assertRaises(KeyholdError) as raised:
            next(self.keyhold.watch(environment="nowhere"))
        self.assertEqual(raised.exception.code, "environment.not_found")

    def test_nothing_confidential_is_printed(self):
        secret = self.keyhold.all()["GITHUB_TOKEN"]
        key = os.environ["KEYHOLD_ACCESS_KEY"]
        shown = [repr(secret), str(secret), "{}".format(secret), repr([secret]), repr(self.keyhold)]
        shown += [repr(vars(self.keyhold)), str(self.keyhold.all())]
        for one in shown:
            self.assertNotIn(VALUE, one)
            self.assertNotIn(key, one)
        self.assertIn("[secret]", repr(secret))
        with self.assertRaises(TypeError):
            pickle.dumps(secret)
        with self.assertRaises(TypeError):
            json.dumps(secret)

    def test_uses_of_a_program_that_ends_at_once(self):
        """SEC-23 for the SDK: the caller's line; a loop is one."""
        with tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(folder, "app.py"), "w") as file:
                file.write("from keyhold import Keyhold\nkeyhold = Keyhold.from_env()\n\n")
                file.write("for _ in range(3):\n    keyhold.get('GITHUB_TOKEN')\n")
                file.write("import sys\nsys.exit(3)\n")
            ran = subprocess.run([sys.executable, "app.py"], cwd=folder, capture_output=True)
            self.assertEqual((ran.returncode, ran.stdout, ran.stderr), (3, b"", b""))


class Fake:
    """Answers as it is told, and keeps what was asked."""

    def __init__(self, *answers):
        self.requests = []
        left = list(answers)
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def handle_one(self):
                fake.requests.append((self.command, self.path))
                length = int(self.headers.get("content-length") or 0)
                self.rfile.read(length)
                answer = left.pop(0) if len(left) > 1 else left[0]
                if answer is None:
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return
                if callable(answer):
                    answer(self)
                    return
                status, headers, body = answer
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                content = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PATCH = handle_one

            def log_message(self, *arguments):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = "http://127.0.0.1:{}".format(self.server.server_address[1])
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def client(self, **options):
        options.setdefault("report_uses", False)
        return Keyhold(self.url, "kh_id_a", "kh_key_canary", **options)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def secret(value="value", **more):
    answer = {"name": "A", "type": "token", "value": value, "encoding": "utf8", "version": 1, "environment": "All"}
    return (200, {}, {**answer, **more})


def problem(status, code, headers={}):
    return (status, headers, {"title": "Title", "status": status, "code": code, "traceId": "t"})


class WithFailingServer(unittest.TestCase):
    def test_reads_are_repeated(self):
        with Fake(problem(503, "storage.unavailable"), None, (502, {}, b"<html>"), secret()) as fake:
            self.assertEqual(fake.client().get("A"), "value")
            self.assertEqual(len(fake.requests), 4)

    def test_not_for_ever(self):
        with Fake(problem(503, "storage.unavailable")) as fake:
            with self.assertRaises(KeyholdError) as raised:
                fake.client().get("A")
            self.assertEqual((raised.exception.code, len(fake.requests)), ("storage.unavailable", 4))

    def test_what_is_refused_is_asked_once(self):
        for status, code in ((400, "request.invalid"), (401, "auth.required"), (403, "access.refused"), (500, "server.error")):
            with Fake(problem(status, code)) as fake:
                with self.assertRaises(KeyholdError) as raised:
                    fake.client().get("A")
                self.assertEqual((raised.exception.code, len(fake.requests)), (code, 1))

    def test_writes_are_never_repeated(self):
        for work in (lambda k: k.set("A", "x"), lambda k: k.create("A", "x"), lambda k: k.update("A", "x")):
            for answer in (None, problem(503, "storage.unavailable")):
                with Fake(answer) as fake:
                    with self.assertRaises(KeyholdError):
                        work(fake.client())
                    self.assertEqual(len(fake.requests), 1)

    def test_a_timeout_is_for_the_whole_call(self):
        def drip(handler):
            handler.send_response(200)
            handler.end_headers()
            try:
                for _ in range(1000):
                    handler.wfile.write(b" ")
                    handler.wfile.flush()
                    threading.Event().wait(0.02)
            except OSError:
                pass

        with Fake(drip) as fake:
            with self.assertRaises(Unreachable) as raised:
                fake.client(timeout=0.3).get("A")
            self.assertIn(raised.exception.code, ("network.deadline", "network.unreachable"))

    def test_waiting_longer_than_the_timeout_is_not_begun(self):
        with Fake(problem(429, "rate.limited", {"retry-after": "60"})) as fake:
            with self.assertRaises(KeyholdError) as raised:
                fake.client(timeout=5).get("A")
            self.assertEqual((raised.exception.code, raised.exception.retry_after_seconds), ("rate.limited", 60))
            self.assertEqual(len(fake.requests), 1)

    def test_redirects_are_not_followed(self):
        with Fake(secret()) as other:
            with Fake((302, {"location": other.url}, b"")) as fake:
                with self.assertRaises(Unreachable) as raised:
                    fake.client().get("A")
                self.assertEqual(raised.exception.code, "network.redirected")
            self.assertEqual(other.requests, [])

    def test_what_is_not_keyhold(self):
        for answer in ((200, {}, b"<html>canary"), (200, {}, {"other": 1}), secret(encoding="base64", value="?"), secret(name="B")):
            with Fake(answer) as fake:
                with self.assertRaises(KeyholdError) as raised:
                    fake.client().get("A")
                self.assertEqual(raised.exception.code, "integrity.answer")
                self.assertNotIn("canary", str(raised.exception))
                self.assertTrue(raised.exception.__suppress_context__ or raised.exception.__context__ is None)

    def test_nobody_there(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            url = "http://127.0.0.1:{}".format(taken.getsockname()[1])
            with self.assertRaises(Unreachable) as raised:
                Keyhold(url, "a", "kh_key_canary").get("A")
            self.assertEqual(raised.exception.code, "network.unreachable")

    def test_names_stay_in_their_place_of_the_path(self):
        with Fake(problem(404, "secret.not_found")) as fake:
            for name in ("a/../b", "a?b#c", "ü", "%2e"):
                with self.assertRaises(SecretNotFound):
                    fake.client(environment="é&x=1").get(name)
            paths = [path.split("?")[0] for _, path in fake.requests]
            start = "/api/v1/projects/current/secrets/"
            self.assertEqual(paths, [start + one for one in ("a%2F..%2Fb", "a%3Fb%23c", "%C3%BC", "%252e")])
            self.assertTrue(fake.requests[0][1].endswith("?environment=%C3%A9%26x%3D1"))
            for name in ("", ".", ".."):
                with self.assertRaises(KeyholdError):
                    fake.client().get(name)

    def test_a_stream_that_is_lost_is_opened_again(self):
        def stream(text):
            def answer(handler):
                handler.send_response(200)
                handler.send_header("content-type", "text/event-stream; charset=utf-8")
                handler.end_headers()
                for part in (text[:7], text[7:]):
                    handler.wfile.write(part)
                    handler.wfile.flush()

            return answer

        one = stream(b"retry: 3000\nid: a\nevent: version\ndata: a\n\n:\n\n")
        two = stream(b":\n\nid: a\nevent: version\ndata: a\n\nid: b\ndata: b\n\n")
        with Fake(one, None, problem(503, "storage.unavailable"), two, problem(403, "access.refused")) as fake:
            versions = fake.client().watch()
            self.assertEqual([next(versions), next(versions)], ["a", "b"])
            with self.assertRaises(Refused):
                next(versions)
        with Fake((200, {"content-type": "text/html"}, b"<html>")) as fake:
            with self.assertRaises(KeyholdError) as raised:
                next(fake.client().watch())
            self.assertEqual(raised.exception.code, "integrity.answer")

    def test_reports_that_fail_disturb_nobody(self):
        def hang(handler):
            if handler.command == "GET":
                body = json.dumps(secret()[2]).encode()
                handler.send_response(200)
                handler.send_header("content-length", str(len(body)))
                handler.end_headers()
                handler.wfile.write(body)
            else:
                threading.Event().wait(5)

        with Fake(hang) as fake:
            keyhold = fake.client(report_uses=True)
            self.assertEqual(keyhold.get("A"), "value")
            keyhold._uses.flush()


class Configuration(unittest.TestCase):
    def refused(self, *arguments, **options):
        with self.assertRaises(ConfigurationInvalid) as raised:
            Keyhold(*arguments, **options)
        self.assertNotIn("canary", str(raised.exception))

    def test_addresses(self):
        for url in (
            "http://keyhold.example.com",
            "https://user:canary@keyhold.example.com",
            "ftp://localhost",
            "keyhold.example.com",
            "https://",
            "https://host:canary",
        ):
            self.refused(url, "id", "canary")
        self.refused("https://keyhold.example.com", "id", "")
        self.refused("https://keyhold.example.com", "id", "canary", timeout=0)
        for url in ("http://localhost:8080", "http://127.0.0.2", "http://[::1]:80", "https://keyhold.example.com/base/"):
            Keyhold(url, "id", "canary")

    def test_variables(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "key")
            with open(path, "w") as file:
                file.write("canary\n")
            given = {"KEYHOLD_URL": "https://k.example.com", "KEYHOLD_ACCESS_KEY_ID": "i", "KEYHOLD_ACCESS_KEY_FILE": path}
            made = Keyhold.from_env({**given, "KEYHOLD_ENVIRONMENT": "staging"})
            self.assertEqual(made.environment, "staging")
            for change in (
                {"KEYHOLD_ACCESS_KEY": "canary"},
                {"KEYHOLD_URL": ""},
                {"KEYHOLD_ACCESS_KEY_ID": ""},
                {"KEYHOLD_ACCESS_KEY_FILE": path + "-missing"},
                {"KEYHOLD_ACCESS_KEY_FILE": ""},
            ):
                with self.assertRaises(ConfigurationInvalid) as raised:
                    Keyhold.from_env({**given, **change})
                self.assertNotIn("canary", str(raised.exception))

    def test_workload_identity(self):
        ends = "2999-01-01T00:00:00.000Z"
        key = {"project": {}, "accessKeyId": "kh_wic_1", "accessKey": "k", "permission": "read", "expiresAt": ends}
        seen = []

        def answer(handler):
            seen.append((handler.command, handler.path, handler.headers.get("authorization")))
            body = json.dumps(key if handler.command == "POST" else secret()[2]).encode()
            handler.send_response(201 if handler.command == "POST" else 200)
            handler.send_header("content-length", str(len(body)))
            handler.end_headers()
            handler.wfile.write(body)

        with Fake(answer) as fake:
            variables = {"KEYHOLD_URL": fake.url, "KEYHOLD_WORKLOAD_IDENTITY": "wid_1", "KEYHOLD_ID_TOKEN": "canary"}
            keyhold = Keyhold.from_env(variables, report_uses=False)
            self.assertEqual([keyhold.get("A"), keyhold.get("A")], ["value", "value"])
            authorization = "Basic " + base64.b64encode(b"kh_wic_1:k").decode()
            self.assertEqual(
                [(command, given) for command, _, given in seen],
                [("POST", None), ("GET", authorization), ("GET", authorization)],
            )
            without = Keyhold.from_env({k: v for k, v in variables.items() if k != "KEYHOLD_ID_TOKEN"})
            with self.assertRaises(ConfigurationInvalid):
                without.get("A")

    def test_secret_types(self):
        with self.assertRaises(KeyholdError):
            Secret({"name": "A"})


if __name__ == "__main__":
    unittest.main()
