"""A made-up installation in a real Prometheus, and its answers to the queries of a dashboard."""

import json
import math
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/panels"))

import grafana  # noqa: E402
import history  # noqa: E402
from server import Server, layers, recording_rules  # noqa: E402

DAYS = 40
WEEK = 7 * history.DAY
TORRENTS, TRACKERS = 48, 9
# Torrents with the same remainder have the same trouble: two torrents of each kind.
PATTERNS = 24
history.NAMES = ["radio-archive", "census-1921", "parliament-debates", "harbour-maps"]
# An instance, and a second one that watches the same torrents: it shows what a dashboard counts
# twice.
TARGETS = [{"job": "seedwatch", "instance": f"seedwatch-{number}:16881"} for number in (1, 2)]


class Installation(history.Installation):
    """An installation in which several torrents share each kind of trouble."""

    def number(self, torrent):
        """Returns the pattern that a torrent follows."""
        return super().number(torrent) % PATTERNS


class Values(history.Values):
    """A history in which the figures of one torrent agree with each other."""

    def __call__(self, metric, labels, time):
        """Returns the value, or None if there is no sample."""
        value = super().__call__(metric, labels, time)
        pattern = self.installation.number(labels["torrent"]) if "torrent" in labels else None
        age = self.end - time
        if metric == "seedwatch_unique_peers":
            return value * 40
        if metric == "seedwatch_torrent_peers" and pattern == 1 and labels["family"] == "ipv6":
            return 0
        if pattern == 2 and age < 2 * history.DAY and labels.get("source") == "tracker":
            return None
        if pattern == 3 and age < history.DAY and metric == "seedwatch_torrent_trackers_online":
            return None
        if metric == "seedwatch_torrents_by_state":
            numbers = map(self.installation.number, self.installation.torrents)
            return [self.state(number, age) for number in numbers].count(labels["state"])
        if metric == "process_start_time_seconds":
            return self.end - 12 * history.DAY
        if value is None:
            return None
        value = FIXED.get(metric, value * FACTORS.get(metric, 1))
        return round(value) if metric.startswith("seedwatch_torrent_") and value > 5 else value

    def condition(self, number, age):
        """Returns the condition that holds for a torrent, if one does."""
        if number == (TORRENTS - 2) % PATTERNS:
            return "one_network"
        return super().condition(number, age)


# What brings the generated numbers to the size that a viewer meets.
FACTORS = {
    "seedwatch_country_peers": 17, "seedwatch_as_peers": 10,
    "seedwatch_tracker_failures_total": 0.02,
    "seedwatch_torrent_leechers": 0.5, "seedwatch_torrent_dht_seeders": 0.7,
    "seedwatch_torrent_dht_leechers": 0.3, "seedwatch_torrent_prefixes": 1.6,
    "seedwatch_torrent_autonomous_systems": 0.4, "seedwatch_torrent_countries": 0.03,
    "seedwatch_scheduler_overdue_probes": 0.02, "seedwatch_probes_in_flight": 0.04,
    "seedwatch_dht_nodes": 4, "seedwatch_dht_estimated_nodes": 40_000,
    "seedwatch_dht_queries_total": 300, "seedwatch_dht_timeouts_total": 60,
    "seedwatch_dht_errors_total": 3, "seedwatch_state_save_failures_total": 0,
    "process_resident_memory_bytes": 1_000_000, "process_cpu_seconds_total": 4,
}
FIXED = {"process_max_fds": 65_536, "seedwatch_tracker_announce_interval_seconds": 1800}


def rhythm(labels, time):
    """Returns day and night for what is now, and a slow swing for sliding windows."""
    if "window" not in labels:
        return daily(labels, time)
    slow = {"1d": 3, "7d": 11, "30d": 29}[labels["window"]]
    phase = sum(map(ord, labels.get("torrent", ""))) / 40
    return 1 + 0.12 * math.sin(2 * math.pi * (time / history.DAY / slow + phase))


daily, history.rhythm, history.Values = history.rhythm, rhythm, Values


class Series:
    """One answer to a query: its name in the legend, its labels and its points."""

    def __init__(self, target, row):
        self.labels = row["metric"]
        legend = target.get("legendFormat", "")
        named = re.sub(r"\{\{(\w+)\}\}", lambda label: self.labels.get(label[1], ""), legend)
        self.name = named
        points = row.get("values") or [row["value"]]
        self.points = [(float(t), float(v)) for t, v in points if v != "NaN"]
        self.last = self.points[-1][1] if self.points else None


class Scene:
    """The Prometheus with the history of the installation. Its folder may be kept."""

    def __init__(self, folder, end, instances=1):
        self.folder, self.end = pathlib.Path(folder), end
        self.installation = Installation(TORRENTS, TRACKERS, collections=4)
        self.server = Server(self.folder)
        mark = self.folder / "end"
        if mark.exists():
            self.end = int(mark.read_text())
            self.server.start()
            return
        history.TARGETS = TARGETS[:instances]
        self.fill(self.end - DAYS * history.DAY)
        mark.write_text(str(self.end))

    def fill(self, start):
        """Writes the generated history into Prometheus: scraped series, then recorded ones."""
        metrics = history.catalogue((ROOT / "docs/metrics.md").read_text())
        text = self.folder / "history.om"
        chunk = 500 * history.HOUR
        for first in range(start, self.end, chunk):
            with open(text, "w") as file:
                until = min(first + chunk, self.end)
                history.write(file, self.installation, metrics, first, until, self.end)
            self.server.backfill(text)
        text.unlink()
        every = "".join(path.read_text() for path in (ROOT / "grafana/dashboards").glob("*.json"))
        wanted = set(re.findall(r"[a-z_]+:seedwatch_[a-z0-9_:]+", every))
        rules = sorted((ROOT / "deploy/prometheus").glob("*.rules.yaml"))
        groups = recording_rules(self.server, rules)
        for group in groups:
            group["interval"] = f"{max(int(group['interval'][:-1]), history.STEP)}s"
        for layer in layers(groups, wanted):
            self.server.start()
            self.server.record(layer, start, self.end)
            self.server.stop()
        self.server.start()

    def board(self, name, chosen=None):
        """Returns the panels of a dashboard, each with what it shows."""
        board = json.loads((ROOT / f"grafana/dashboards/{name}.json").read_text())
        one = self.installation.chosen() | (chosen or {})
        choice = grafana.Choice(self.server, board, one, everything=True)
        panels = []
        for panel in board["panels"]:
            answers = {
                target["refId"]: self.ask(choice, target) for target in panel.get("targets", [])
            }
            named = panel | {"title": choice.replace(panel["title"])}
            panels.append((named, found_by(named, answers)))
        return panels

    def ask(self, choice, target):
        """Returns the series that a query gives, now or over a week."""
        end = self.end - history.STEP
        step = max(WEEK // 300, history.STEP)
        # Values change once per hour: over less, rates would be teeth.
        rate = f"{4 * history.HOUR}s"
        expr = choice.replace(
            target["expr"], __interval=f"{step}s", __range=f"{WEEK}s", __rate_interval=rate,
        )
        if target["instant"]:
            found = self.server.get("query", query=expr, time=end)["result"]
        else:
            found = self.server.get(
                "query_range", query=expr, start=end - WEEK, end=end, step=step,
            )["result"]
        rows = [Series(target, row) for row in found]
        return [row for row in rows if row.points]


def tabulate(panel, answers):
    """Returns the headings and rows of a table: its queries joined over their labels."""
    done = panel["transformations"]
    organize = next(one["options"] for one in done if one["id"] == "organize")
    filtered = any(one["id"] == "filterByValue" for one in done)
    renamed = organize["renameByName"]
    letters = {f"Value #{letter}": answer for letter, answer in answers.items()}
    keys = [name for name in renamed if not name.startswith("Value")]
    headings = [renamed[name] for name in keys]
    # Grafana joins over the labels that every query has; a label of one query fills a column.
    found = [answer for answer in answers.values() if answer]
    shared = [key for key in keys if all(any(key in row.labels for row in one) for one in found)]
    named = lambda row: tuple(row.labels.get(key, "") for key in shared)
    joined = {}
    for answer in answers.values():
        for row in answer:
            joined.setdefault(named(row), {}).update(row.labels)
    values = []
    # If only one query has an answer, Grafana gives it no letter.
    for name in (name for name in renamed if name in letters):
        headings.append(renamed[name])
        values.append({named(row): row.last for row in letters[name]})
    rows = [
        [labels.get(key, "") for key in keys] + [column.get(one) for column in values]
        for one, labels in joined.items()
        if not filtered or values[0].get(one) is not None
    ]
    for sort in panel["options"]["sortBy"]:
        at = headings.index(sort["displayName"])
        rows.sort(key=lambda row: (row[at] is not None, row[at]), reverse=sort["desc"])
    return headings, rows


def found_by(panel, answers):
    """Returns what a panel shows, of the answers to its queries by letter."""
    if panel["type"] == "table":
        return tabulate(panel, answers)
    return [row for answer in answers.values() for row in answer]
