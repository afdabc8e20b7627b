"""A page in headless Firefox, by its Marionette protocol: JSON over a socket, without a driver."""

from __future__ import annotations

import json
import pathlib
import shutil
import socket
import subprocess
import time
from typing import Any

FIREFOX = shutil.which("firefox-esr") or shutil.which("firefox")

PREFERENCES = {
    "marionette.port": 0,
    "media.autoplay.default": 0,
    "media.autoplay.blocking_policy": 0,
    "datareporting.policy.dataSubmissionEnabled": False,
    "network.proxy.type": 1,
    # Nothing answers there: the network is cut.
    "network.proxy.http": "127.0.0.1",
    "network.proxy.http_port": 9,
    "network.proxy.ssl": "127.0.0.1",
    "network.proxy.ssl_port": 9,
}


class Firefox:
    """A Firefox with a profile of its own."""

    def __init__(self, profile: pathlib.Path) -> None:
        """Start it."""
        profile.mkdir()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        preferences = PREFERENCES | {"marionette.port": port}
        lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});" for name, value in preferences.items()]
        (profile / "user.js").write_text("\n".join(lines))
        assert FIREFOX
        self._process = subprocess.Popen(
            [FIREFOX, "--headless", "--marionette", "--profile", str(profile)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._number = 0
        end = time.monotonic() + 60
        while True:
            try:
                self._socket = socket.create_connection(("127.0.0.1", port), timeout=90)
                break
            except OSError:
                assert time.monotonic() < end
                time.sleep(0.2)
        self._file = self._socket.makefile("rb")
        self._read()
        self.send("WebDriver:NewSession", {})

    def send(self, command: str, parameters: dict) -> Any:
        """Return the answer to a command."""
        self._number += 1
        message = json.dumps([0, self._number, command, parameters]).encode()
        self._socket.sendall(b"%d:%b" % (len(message), message))
        _, _, error, value = self._read()
        assert not error, error
        return value

    def run(self, code: str) -> Any:
        """Return what a function body returns; it may await."""
        wrapped = (
            f"const done = arguments[0]; (async () => {{ {code} }})().then(done, (error) => done('error: ' + error));"
        )
        return self.send("WebDriver:ExecuteAsyncScript", {"script": wrapped, "args": [], "scriptTimeout": 60000})[
            "value"
        ]

    def _read(self) -> Any:
        length = b""
        while (digit := self._file.read(1)) != b":":
            assert digit, "Firefox has ended"
            length += digit
        return json.loads(self._file.read(int(length)))

    def close(self) -> None:
        """End it."""
        self._socket.close()
        self._process.terminate()
        self._process.wait(30)
