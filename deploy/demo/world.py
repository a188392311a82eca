"""The processes of the demo, their folder, and what they need to start."""

import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

PATIENCE = 60


class Failed(Exception):
    """The reason why the demo cannot go on."""


def free_port(host, wanted):
    """Returns the usual port if it is free for TCP and UDP, else another free one."""
    for port in (wanted, *range(wanted + 20_000, wanted + 20_100)):
        try:
            with socket.socket(type=socket.SOCK_STREAM) as tcp, socket.socket(
                type=socket.SOCK_DGRAM
            ) as udp:
                tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                tcp.bind((host, port))
                udp.bind((host, port))
                return port
        except OSError:
            continue
    raise Failed(f"no free port for {wanted} on {host}")


class World:
    """The running programs, and the folder that they write to."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="seedwatch-demo-"))
        # opentracker reads its whitelist as the user `nobody`.
        self.folder.chmod(0o755)
        self.running = []

    def start(self, name, *command):
        """Starts a program that the kernel kills when this script ends."""
        log = open(self.folder / f"{name}.log", "wb")
        child = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "--", *map(str, command)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            # Ctrl-C reaches only this script, which ends the programs one after the other.
            start_new_session=True,
        )
        self.running.append((name, child))

    def leave(self, name):
        """Lets a client leave its swarm, as one does that says goodbye to its tracker."""
        (entry,) = [entry for entry in self.running if entry[0] == name]
        self.running.remove(entry)
        entry[1].send_signal(signal.SIGUSR1)
        entry[1].wait(PATIENCE)

    def check(self):
        """Fails if a program has ended by itself."""
        for name, child in self.running:
            if child.poll() is not None:
                log = (self.folder / f"{name}.log").read_text(errors="replace")
                raise Failed(f"{name} ended:\n" + "\n".join(log.splitlines()[-15:]))

    def wait(self, what, ready):
        """Waits until `ready` returns true."""
        end = time.monotonic() + PATIENCE
        while not ready():
            self.check()
            if time.monotonic() > end:
                raise Failed(f"not within {PATIENCE} s: {what}")
            time.sleep(0.2)

    def wait_for_page(self, name, url):
        """Waits until a server answers."""
        self.wait(name, lambda: page(url) is not None)

    def wait_for_line(self, name, line):
        """Waits until a program has printed a line."""
        log = self.folder / f"{name}.log"
        self.wait(f"{name}: {line}", lambda: line in log.read_text(errors="replace").splitlines())

    def end(self):
        """Ends all programs, the last one first, and removes the folder."""
        for _, child in reversed(self.running):
            child.terminate()
        end = time.monotonic() + 10
        for _, child in reversed(self.running):
            try:
                child.wait(max(0.1, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def page(url):
    """Returns the text of a page, or None."""
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return answer.read().decode(errors="replace")
    except (urllib.error.URLError, OSError):
        return None
