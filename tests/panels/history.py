"""Generates a history of an installation: every metric of docs/metrics.md, as OpenMetrics text.

Torrents 0 to 3 have problems (dead, at risk, without trackers, unobserved), so that panels of such
torrents are not empty. The others follow a daily rhythm. Six hours before the end, the peers of one
country drop.
"""

import hashlib
import itertools
import json
import math
import re

# Seconds between two samples. The lookback of Prometheus is set a little longer.
STEP = 900
# Seconds between two samples of the series that a graph of a month reads, if this should be denser:
# all series except those of torrents that are not chosen.
FINE = None
DAY = 86400
# The instances, which watch the same torrents.
TARGETS = [{"job": "seedwatch", "instance": "127.0.0.1:16881"}]
# Values change once per hour: rounds are rarer than scrapes.
HOUR = 3600

COUNTRIES = ["DE", "US", "RU", "IN", "BR", "unknown"]
REASONS = ["dns", "timeout", "tls", "rejected"]
# Characters that are special in patterns, strings and links.
NAMES = [
    "Parler.Videos.(2021).[1080p]", "census & index",
    "The \"Emperor's\" notes (C:\\old) [2021] + more", "debian-13.1.0-amd64-netinst.iso",
]
STATES = ["dead", "at_risk", "unobserved", "pending", "alive", "private"]
CONDITIONS = ["no_tracker", "no_seeder", "few_peers", "one_network"]
SCHEMES = ["udp", "http", "https", "wss", "udp"]


class Installation:
    """The watched torrents, their trackers and their labels."""

    # Countries per torrent; a collection has peers in all countries.
    TORRENT_COUNTRIES = 8

    def __init__(self, torrents, trackers, countries=COUNTRIES, per_torrent=4, collections=2):
        self.torrents = [f"{NAMES[number % len(NAMES)]}-{number:04}" for number in range(torrents)]
        self.trackers = [
            f"{SCHEMES[number % 5]}://tracker-{number}.example:{6969 + number}"
            for number in range(trackers)
        ]
        self.countries = countries
        self.per_torrent = min(per_torrent, trackers)
        self.collections = [f"collection-{number}" for number in range(collections)]

    def trackers_of(self, torrent):
        """Returns the trackers of a torrent."""
        number = self.number(torrent)
        count = len(self.trackers)
        return [self.trackers[(number + step) % count] for step in range(self.per_torrent)]

    def number(self, torrent):
        """Returns the index of a torrent."""
        return int(torrent.rsplit("-", 1)[1])

    def collection_of(self, torrent):
        """Returns the collection of a torrent. Half of the torrents have one, also the dead one."""
        number = self.number(torrent)
        return self.collections[number // 2 % len(self.collections)] if number % 2 == 0 else None

    def chosen(self):
        """Returns one healthy value per variable, as a viewer may choose."""
        torrent = self.torrents[-2]
        return {
            "torrent": torrent, "tracker": self.trackers[2], "country": "DE",
            "collection": self.collection_of(torrent),
        }

    def labels(self, metric, names):
        """Yields all label sets of a metric with these label names."""
        if metric == "seedwatch_torrent_info":
            for torrent in self.torrents:
                digest = hashlib.sha256(torrent.encode()).hexdigest()
                labels = {"torrent": torrent, "infohash": digest[:40], "infohash_v2": digest}
                if collection := self.collection_of(torrent):
                    labels["collection"] = collection
                yield labels
            return
        pools = {
            "torrent": self.torrents, "tracker": self.trackers, "country": self.countries,
            "collection": self.collections, "family": ["ipv4", "ipv6"],
            "source": ["tracker", "dht"], "window": ["1d", "7d", "30d"],
            "phase": ["resolve", "connect", "tls", "response"], "database": ["country", "asn"],
            "asn": ["AS3320", "AS7922", "AS12389", "other", "unknown"], "reason": REASONS,
            "version": ["1.0.0"], "revision": ["0123abc"], "state": STATES,
            "condition": CONDITIONS, "list": ["books", "indexer"],
        }
        if metric == "seedwatch_list_failures_total":
            pools["reason"] = ["html", "timeout"]
        if metric == "seedwatch_peers_rejected_total":
            pools["reason"] = ["bogon", "port", "own", "malformed"]
        for values in itertools.product(*(pools[name] for name in names)):
            labels = dict(zip(names, values))
            if "torrent" in labels and "tracker" in labels:
                if labels["tracker"] not in self.trackers_of(labels["torrent"]):
                    continue
            if "torrent" in labels and "country" in labels:
                if labels["country"] not in self.countries[: self.TORRENT_COUNTRIES]:
                    continue
            yield labels


def rhythm(labels, time):
    """Returns a daily rhythm around 1, with a phase per series."""
    phase = sum(map(ord, "".join(labels.values()))) % 24
    return 1 + 0.3 * math.sin(2 * math.pi * (time / DAY + phase / 24))


class Values:
    """The value of each metric at a time."""

    def __init__(self, installation, end):
        self.installation = installation
        self.end = end

    def __call__(self, metric, labels, time):
        """Returns the value, or None if there is no sample."""
        short = metric.removeprefix("seedwatch_")
        number = self.installation.number(labels["torrent"]) if "torrent" in labels else None
        age = self.end - time
        if short == "torrent_state":
            return 1 if labels["state"] == self.state(number, age) else None
        if short == "torrent_condition":
            return 1 if labels["condition"] == self.condition(number, age) else None
        if short == "torrents":
            return len(self.installation.torrents)
        if short == "torrents_by_state":
            states = [self.state(number, age) for number in range(len(self.installation.torrents))]
            return states.count(labels["state"])
        if number == 3 and age < DAY and short.startswith("torrent_") and short not in (
            "torrent_info", "torrent_trackers", "torrent_trackers_online",
            "torrent_last_peer_seen_timestamp_seconds",
            "torrent_state_since_timestamp_seconds",
        ):
            return None
        if short.endswith("_timestamp_seconds"):
            return self.timestamp(short, number, time, age)
        if short.endswith("_total"):
            return self.counter(labels, time)
        if short in ("build_info", "torrent_info", "config_last_reload_successful"):
            return 1
        if short in ("announce_success", "torrent_trackers_online"):
            working = number not in (2, 3) or age > 2 * DAY
            if short == "announce_success":
                # One tracker answers and refuses every announce.
                return int(working and labels["tracker"] != self.installation.trackers[1])
            return self.installation.per_torrent * working
        if short == "torrent_trackers":
            return self.installation.per_torrent
        if short.endswith("_up") or short.endswith("_success"):
            return self.up(labels, time)
        if short.endswith("_ratio"):
            return round(0.3 * rhythm(labels, time), 3)
        if short.endswith("_seconds"):
            return round(0.2 * rhythm(labels, time), 3)
        if short.startswith("process_"):
            return round(50 * rhythm(labels, time))
        return self.gauge(short, labels, number, age, time)

    def state(self, number, age):
        """Returns the state of a torrent."""
        if number == 0 and age < 3 * DAY:
            return "dead"
        if number == 3 and age < DAY:
            return "unobserved"
        return "at_risk" if number == 1 else "alive"

    def condition(self, number, age):
        """Returns the condition that holds for a torrent, if one does."""
        if number == 2 and age < 2 * DAY:
            return "no_tracker"
        if number == len(self.installation.torrents) - 2:
            return "one_network"
        return "few_peers" if number == 1 else None

    def timestamp(self, short, number, time, age):
        """Returns a Unix timestamp in seconds."""
        if short.startswith("tracker_tls"):
            return self.end + 40 * DAY
        if short.startswith("geoip") or short.startswith("process"):
            return self.end - 41 * DAY
        if "last_peer_seen" in short and number == 0:
            return min(time, self.end - 3 * DAY)
        if "state_since" in short:
            lasts = {"dead": 3, "unobserved": 1}.get(self.state(number, age), 60) * DAY
            return self.end - lasts if age < lasts else self.end - 60 * DAY
        return time - 600

    def counter(self, labels, time):
        """Returns a counter that grows by about ten per hour."""
        start = self.end - 41 * DAY
        return round((time - start) / 360 * (1 + len("".join(labels.values())) % 7))

    def up(self, labels, time):
        """Returns 1, except for the third tracker over IPv6 in the last 20 days."""
        half = labels.get("tracker") == self.installation.trackers[2] and labels.get("family") == "ipv6"
        return int(not half or self.end - time > 20 * DAY)

    def gauge(self, short, labels, number, age, time):
        """Returns counts of peers and all other gauges."""
        if number == 0 and age < 3 * DAY and labels.get("window") != "30d":
            return 0
        if number == 1:
            return 1
        base = 200 if number is None else 20 + number * 7 % 300
        window = {"1d": 3, "7d": 9, "30d": 20}.get(labels.get("window"), 1)
        if "country" in labels:
            base = base / (1 + self.installation.countries.index(labels["country"]))
            if labels["country"] == "US" and age < 6 * HOUR:
                base *= 0.16
        return max(round(base * window * rhythm(labels, time)), 0)


def catalogue(text):
    """Returns names, kinds and labels from the table of docs/metrics.md."""
    row = re.compile(r"^\| `([a-z_0-9]+)` \| (\w+) \| ([^|]*) \|", re.MULTILINE)
    return [
        (name, kind, re.findall(r"`([a-z_0-9]+)`", labels))
        for name, kind, labels in row.findall(text)
    ]


def families(metrics):
    """Yields the series of each metric: a histogram has three kinds."""
    for name, kind, labels in metrics:
        if kind != "histogram":
            yield name, labels, None
            continue
        yield f"{name}_sum", labels, None
        yield f"{name}_count", labels, None
        yield f"{name}_bucket", labels, ["0.1", "1", "10", "100", "+Inf"]


def recorded(names):
    """Returns recorded series in the form of the catalogue: their names begin with their labels."""
    return [(name, "gauge", [name.split(":")[0]]) for name in sorted(names)]


def is_fine(installation, labels):
    """Returns whether a graph of a month may read this series completely."""
    return labels.get("torrent") in (None, installation.chosen()["torrent"])


def series(installation, metrics, start, end):
    """Yields every series: name, labels, and a function from time to value."""
    values = Values(installation, end)
    for name, names, buckets in families(metrics):
        for labels in installation.labels(name, names):
            if buckets is None:
                counts = name.endswith(("_sum", "_count"))
                named = "x_total" if counts else name
                yield name, labels, lambda t, n=named, l=labels: values(n, l, t)
                continue
            for rank, le in enumerate(buckets):
                yield name, labels | {"le": le}, lambda t, r=rank: (t - start) // 60 * (r + 1)
    yield "up", {}, lambda t: 1
    yield "scrape_duration_seconds", {}, lambda t: 0.01
    yield "scrape_samples_scraped", {}, lambda t: 5000
    for labels in alerts(installation):
        yield "ALERTS", {"alertstate": "firing"} | labels, lambda t: 1
        yield "ALERTS_FOR_STATE", labels, lambda t: end - 2 * DAY


def alerts(installation):
    """Yields one alert per kind of label."""
    one = installation.chosen()
    yield {"alertname": "TorrentDead", "torrent": installation.torrents[0], "severity": "page"}
    yield {"alertname": "SeedwatchGeoipOutdated", "severity": "info"}
    country = {"country": "US", "severity": "warning"}
    yield {"alertname": "TorrentCountryCliff", "torrent": one["torrent"]} | country
    yield {"alertname": "CollectionCountryCliff", "collection": one["collection"]} | country
    yield {"alertname": "TrackerDown", "tracker": one["tracker"], "severity": "warning"}
    yield {"alertname": "SeedwatchStateNotSaved", "severity": "warning"}


def quoted(labels):
    """Formats labels as {a="b",…}."""
    return "{" + ",".join(f"{name}={json.dumps(value)}" for name, value in labels.items()) + "}"


def write(file, installation, metrics, start, end, last=None):
    """Writes samples from start to end. `last` is the end of the whole history if this is a part.

    Returns the number of samples.
    """
    written = 0
    for name, labels, value in series(installation, metrics, start, last or end):
        step = FINE if FINE and is_fine(installation, labels) else STEP
        values = []
        for hour in range(start, end, HOUR):
            now = value(hour)
            if now is not None:
                values += [f" {now} {t}\n" for t in range(hour, min(hour + HOUR, end), step)]
        for target in TARGETS:
            head = name + quoted(target | labels)
            file.writelines(head + rest for rest in values)
            written += len(values)
    file.write("# EOF\n")
    return written
