"""A real Prometheus with a generated history."""

import json
import pathlib
import re
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request

import history

# Larger blocks than usual, since the text is read once per block.
BLOCK = "504h"


class Server:
    """A Prometheus on a free loopback port that scrapes nothing."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.data = self.folder / "data"
        self.data.mkdir(exist_ok=True)
        self.process = None
        self.url = None

    def backfill(self, text):
        """Creates blocks from OpenMetrics text."""
        promtool("tsdb", "create-blocks-from", f"--max-block-duration={BLOCK}", "--quiet",
                 "openmetrics", text, self.data)

    def record(self, rules, start, end):
        """Creates blocks from recording rules, which the running server evaluates over its history."""
        file = self.folder / "recorded.json"
        file.write_text(json.dumps({"groups": rules}))
        promtool("tsdb", "create-blocks-from", f"--max-block-duration={BLOCK}", "rules", f"--start={start}", f"--end={end}",
                 f"--url={self.url}", f"--output-dir={self.data}", file)

    def start(self, rule_files=()):
        """Starts the server and waits until it is ready."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            address = f"127.0.0.1:{free.getsockname()[1]}"
        self.url = f"http://{address}"
        config = self.folder / "prometheus.yaml"
        self.write_config(config, rule_files)
        log = open(self.folder / "prometheus.log", "a")
        self.process = subprocess.Popen(
            ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={self.data}",
             f"--web.listen-address={address}", "--storage.tsdb.retention.time=400d",
             f"--query.lookback-delta={history.STEP + 60}s", "--query.max-samples=500000000"],
            stdout=log, stderr=log,
        )
        for _ in range(600):
            if self.process.poll() is not None:
                break
            try:
                urllib.request.urlopen(f"{self.url}/-/ready", timeout=5).read()
                return
            except OSError:
                time.sleep(0.1)
        self.stop()
        raise SystemExit("prometheus did not start:\n" + (self.folder / "prometheus.log").read_text())

    def write_config(self, config, rule_files):
        """Writes the configuration."""
        config.write_text(json.dumps({"rule_files": [str(file) for file in rule_files]}))

    def stop(self):
        """Stops the server."""
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process = None

    def get(self, path, **parameters):
        """Returns the data of an API response. Raises ValueError if the query fails."""
        url = f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(parameters, doseq=True)}"
        try:
            answer = urllib.request.urlopen(url, timeout=120).read()
        except urllib.error.HTTPError as error:
            raise ValueError(json.load(error).get("error", str(error))) from error
        return json.loads(answer)["data"]


def promtool(*arguments):
    """Runs promtool. Shows its output only if it fails."""
    command = ["promtool", *map(str, arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)}: {done.stdout[-3000:]}")


def recording_rules(server, files):
    """Returns the groups of rule files as the server reads them, without alerts."""
    server.start(files)
    groups = server.get("rules", type="record")["groups"]
    server.stop()
    return [
        {
            "name": group["name"],
            "interval": f"{int(group['interval'])}s",
            "rules": [
                {"record": rule["name"], "expr": rule["query"], "labels": rule.get("labels", {})}
                for rule in group["rules"]
            ],
        }
        for group in groups
    ]


def layers(groups, wanted):
    """Yields the rules that `wanted` needs in layers, each of which needs only earlier ones.

    A rule cannot read series that the same backfill records.
    """
    rules = [(group, rule) for group in groups for rule in group["rules"]]
    needs = {}
    for _, rule in rules:
        used = set(re.findall(r"[a-z_]+:[a-zA-Z0-9_:]+", rule["expr"]))
        needs.setdefault(rule["record"], set()).update(used)
    needed = set()
    open_names = set(wanted)
    while open_names:
        name = open_names.pop()
        needed.add(name)
        open_names |= needs.get(name, set()) - needed
    done = set()
    while missing := needed & needs.keys() - done:
        ready = {name for name in missing if needs[name] & needs.keys() <= done}
        assert ready, f"rules depend on each other: {missing}"
        yield [
            group | {"name": f"{group['name']} {number}", "rules": [rule]}
            for number, (group, rule) in enumerate(rules) if rule["record"] in ready
        ]
        done |= ready
