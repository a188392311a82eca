#!/usr/bin/env python3
"""Checks that a quiet month raises no page, and that a drop is reported at once.

Simulates 31 days of two instances. Each has 20 torrents in 25 countries (1,000 torrent-countries in
all). What seedwatch decides is given: a year of states is simulated in crates/core/src/verdict, and
a month of countries in crates/core/src/cliff. The simulation includes:

- daily rhythms in each country's time zone, weekends and noise;
- 100 outages of our own network, a fifth of them of IPv6 alone, and restarts;
- trackers that are down for hours, one of which has nearly all peers of one country;
- a new country database;
- on the last day, a drop of one country by 84 % in each large torrent.

promtool evaluates the shipped rules on this data, including `for`. Only the alerts in EXPECTED may
fire during the month. Each drop must fire within 30 minutes, and no other country may be named.

Needs promtool and six minutes of CPU time, half of it on each of two cores.
"""

import concurrent.futures
import math
import pathlib
import random
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
RULES = ROOT / "deploy" / "prometheus"

STEP = 15  # minutes between samples; outages are rounded to it
HOUR = 60 // STEP
DAY = 24 * HOUR
DAYS = 31
STEPS = DAYS * DAY
LAST_DAY = STEPS - DAY

TORRENTS = 40
PARTS = 2
COUNTRIES = ["US", "RU", "IN", "CN", "DE", "FR", "GB", "BR", "UA", "PL", "IT", "ES", "NL",
             "CA", "AU", "TR", "IR", "JP", "KR", "SE", "FI", "MX", "AR", "ZA", "unknown"]
TRACKERS = 6
DHT = TRACKERS  # index of the source after the trackers
OUTAGES = 100

TRACKER_ROUND = 30 // STEP
DHT_ROUND = 60 // STEP
TRACKER_STALE = 75 // STEP  # since the last answer
DHT_STALE = 90 // STEP

# The first tracker has nearly all peers of this country; the others have few.
REGIONAL = "CN"
IPV6_SHARE = {"IN": 0.7, "US": 0.4, "DE": 0.5, "FR": 0.6}
MOVED = ("PL", "UA")  # a new database assigns most addresses of one to the other
REMAINING = 0.16  # share of peers that remain after a drop

# Alerts that outages of our network and of trackers rightly raise. None of them is a page.
EXPECTED = "SeedwatchOffline|SeedwatchFamilyOffline|TrackerDown"


def spans(rng, count, mean_steps, until):
    """Returns random spans of at least one step, as a list of booleans over all steps."""
    inside = [False] * STEPS
    for _ in range(count):
        start = rng.randrange(DAY, until)
        length = max(1, min(round(rng.lognormvariate(math.log(mean_steps), 1.0)), 8 * HOUR))
        for step in range(start, min(start + length, until)):
            inside[step] = True
    return inside


class World:
    """The events that all torrents share. The last two days have none but the drops."""

    def __init__(self, seed):
        rng = random.Random(seed)
        quiet = LAST_DAY - DAY
        self.offline = spans(rng, OUTAGES * 4 // 5, 2, quiet)
        self.no_ipv6 = spans(rng, OUTAGES // 5, HOUR, quiet)
        self.tracker_down = [spans(rng, 6, 2 * HOUR, quiet) for _ in range(TRACKERS)]
        self.restarts = sorted(rng.randrange(DAY, quiet) for _ in range(5))
        self.new_database = 12 * DAY + rng.randrange(DAY)

    def ipv6(self, step):
        return not (self.offline[step] or self.no_ipv6[step])


class Torrent:
    """A swarm and what an instance sees of it, step by step."""

    def __init__(self, world, name, rng):
        self.world, self.name, self.rng = world, name, rng
        size = rng.lognormvariate(math.log(3000), 0.8)
        weights = [rng.lognormvariate(0, 0.5) / (1 + place) ** 0.7 for place in range(len(COUNTRIES))]
        self.size = [size * weight / sum(weights) for weight in weights]
        self.noise = [0.0] * len(COUNTRIES)
        self.phase = rng.randrange(TRACKER_ROUND)
        self.drop = None  # (step, index of the country)
        self.answered_at = [None] * (TRACKERS + 1)  # step of the latest answer of each source
        self.tracker_states = [None] * TRACKERS  # (step, up) of the latest result
        self.ipv6_answered_at = 0
        self.columns = {}
        self.counts = [None] * len(COUNTRIES)

    def record(self, series, value):
        self.columns.setdefault(series, []).append(value)

    def population(self, step):
        """Yields the peers per country: daily rhythm, weekend and autocorrelated noise."""
        for place, size in enumerate(self.size):
            self.noise[place] = 0.9 * self.noise[place] + self.rng.gauss(0, 0.03)
            hour = (step / HOUR + place * 5) % 24
            rhythm = 1 + 0.6 * math.sin(2 * math.pi * hour / 24)
            week = 1.15 if step // DAY % 7 >= 5 else 1.0
            mean = size * rhythm * week * math.exp(self.noise[place])
            if self.drop and self.drop[1] == place and step >= self.drop[0]:
                mean *= REMAINING
            yield max(0, round(self.rng.gauss(mean, math.sqrt(mean))))

    def probe(self, step):
        """Probes each source that is due."""
        world = self.world
        since_restart = min((step - at for at in world.restarts if at <= step), default=step)
        for source in range(TRACKERS + 1):
            interval = DHT_ROUND if source == DHT else TRACKER_ROUND
            # After a restart, all sources are probed within some minutes, then at their intervals.
            soon = since_restart == 1 + source % 3 and world.restarts and step > world.restarts[0]
            if not soon and (step - self.phase) % interval:
                continue
            if world.offline[step]:
                continue
            down = source != DHT and world.tracker_down[source][step]
            if not down:
                self.answered_at[source] = step
            if source != DHT:
                self.tracker_states[source] = (step, not down)
        if world.ipv6(step):
            self.ipv6_answered_at = step

    def live(self, step):
        """Yields the sources whose latest answer is not stale."""
        for source, heard in enumerate(self.answered_at):
            stale = DHT_STALE if source == DHT else TRACKER_STALE
            if heard is not None and step - heard <= stale:
                yield source

    def advance(self, step):
        """Simulates one step and records all series."""
        world = self.world
        if step in world.restarts:
            self.answered_at = [None] * (TRACKERS + 1)
            self.tracker_states = [None] * TRACKERS
        self.probe(step)
        live = list(self.live(step))
        if (step - self.phase) % TRACKER_ROUND == 0 or live != getattr(self, "was_live", None):
            self.counts = self.count(step, live)
            self.was_live = live
        for country, count in zip(COUNTRIES, self.counts):
            self.record(("country", country), count[0] + count[1] if count else None)
        known = [count for count in self.counts if count]
        self.record("ipv4", sum(count[0] for count in known) if known else None)
        self.record("ipv6", sum(count[1] for count in known) if known else None)
        states = [state[1] for state in self.tracker_states if state and step - state[0] <= TRACKER_STALE]
        self.record("online", sum(states) if states else None)
        self.record("dht", 1 if DHT in live else None)

    def count(self, step, live):
        """Returns the peers that the live sources name together, per country as (IPv4, IPv6)."""
        if not live:
            return [None] * len(COUNTRIES)
        seen = []
        for country, size in zip(COUNTRIES, self.population(step)):
            missed = 1.0
            for source in live:
                if country == REGIONAL:
                    missed *= 0.15 if source == 0 else 0.97
                else:
                    missed *= 0.5
            covered = 1 - missed
            spread = math.sqrt(size * covered * (1 - covered))
            named = min(size, max(0, round(self.rng.gauss(size * covered, spread))))
            ipv6 = round(named * IPV6_SHARE.get(country, 0.1))
            seen.append((named - ipv6, ipv6 if step - self.ipv6_answered_at <= TRACKER_STALE else 0))
        if step >= self.world.new_database:
            from_, to = map(COUNTRIES.index, MOVED)
            moved = [count * 9 // 10 for count in seen[from_]]
            seen[from_] = tuple(count - away for count, away in zip(seen[from_], moved))
            seen[to] = tuple(count + more for count, more in zip(seen[to], moved))
        return seen


def notation(values):
    """Formats values for promtool: `5x3` is 5 and three more, `_` no sample, `stale` a marker."""
    words, at = [], 0
    while at < len(values):
        end = at
        while end < len(values) and values[end] == values[at]:
            end += 1
        if values[at] is None:
            words.append("stale" if at else "_")
            at += 1
            if end > at:
                words.append(f"_x{end - at}")
        else:
            words.append(f"{values[at]}x{end - at - 1}" if end - at > 1 else str(values[at]))
        at = end
    return " ".join(words)


def total(lists):
    """Yields the sum of the known values of each step."""
    for values in zip(*lists):
        known = [value for value in values if value is not None]
        yield sum(known) if known else None


def simulate(part, size):
    """Simulates one instance with a part of the torrents. Returns its series and drops."""
    world = World(part)
    rng = random.Random(1000 + part)
    torrents = [Torrent(world, f"t{part}-{n}", rng) for n in range(size)]
    series = {}

    def add(name, values, **labels):
        labels = {"job": "seedwatch", "instance": f"i{part}", **labels}
        series[name + "{" + ", ".join(f'{k}="{v}"' for k, v in labels.items()) + "}"] = list(values)

    steps = range(STEPS)
    drops = []
    for torrent in torrents:
        # A country with well over a hundred peers even at night, but not most of the swarm.
        fit = [place for place, mean in enumerate(torrent.size)
               if 300 < mean < 0.35 * sum(torrent.size)
               and COUNTRIES[place] not in ("unknown", REGIONAL, *MOVED)]
        if fit:
            step = LAST_DAY + rng.randrange(HOUR, DAY - 2 * HOUR)
            torrent.drop = (step, rng.choice(fit))
            drops.append((step, torrent.name, COUNTRIES[torrent.drop[1]]))
    for step in steps:
        for torrent in torrents:
            torrent.advance(step)

    restarted = set(world.restarts)
    up = [0 if step in restarted else 1 for step in steps]

    def scraped(values):
        return [value if fine else None for value, fine in zip(values, up)]

    add("up", up)
    add("seedwatch_torrents", scraped(size for _ in steps))
    add("seedwatch_network_up", scraped(0 if world.offline[s] else 1 for s in steps), family="ipv4")
    add("seedwatch_network_up", scraped(1 if world.ipv6(s) else 0 for s in steps), family="ipv6")
    add("seedwatch_dht_up", scraped(0 if world.offline[s] else 1 for s in steps), family="ipv4")
    for database in ("country", "asn"):
        add("seedwatch_geoip_database_build_timestamp_seconds",
            scraped(int(s >= world.new_database) for s in steps), database=database)
    for number, down in enumerate(world.tracker_down):
        # While our own network is down, failures do not count against trackers.
        add("seedwatch_tracker_up",
            scraped(0 if down[s] and not world.offline[s] else 1 for s in steps),
            tracker=f"udp://tracker{number}.example:80", family="ipv4")
        add("seedwatch_tracker_requests_total", scraped(steps), tracker=f"udp://tracker{number}.example:80")
    for torrent in torrents:
        own = {"torrent": torrent.name}
        columns = torrent.columns
        add("seedwatch_torrent_info", scraped(1 for _ in steps), infohash="00", collection="all", **own)
        add("seedwatch_torrent_state", scraped(1 for _ in steps), state="alive", **own)
        add("seedwatch_torrent_trackers_online", scraped(columns["online"]), **own)
        add("seedwatch_torrent_probe_success", scraped(columns["dht"]), source="dht", **own)
        for family in ("ipv4", "ipv6"):
            add("seedwatch_torrent_peers", scraped(columns[family]), family=family, **own)
        for country in COUNTRIES:
            add("seedwatch_torrent_country_peers", scraped(columns["country", country]), country=country, **own)
        if torrent.drop:
            first, place = torrent.drop
            ratio = [REMAINING if step > first else None for step in steps]
            add("seedwatch_torrent_country_cliff", scraped(ratio), country=COUNTRIES[place], **own)
    for number, country in enumerate(COUNTRIES):
        whole = list(total(torrent.columns["country", country] for torrent in torrents))
        add("seedwatch_collection_country_peers", scraped(whole), collection="all", country=country)
        # One provider has two fifths of the peers of each country.
        share = [None if value is None else value * 2 // 5 for value in whole]
        add("seedwatch_as_peers", scraped(share), asn=f"AS{number}")
    return series, drops


def groups(path):
    """Returns the names of the groups of a rule file."""
    return [line.split()[2] for line in path.read_text().splitlines() if line.startswith("  - name: ")]


def write_test(path, rules, part, size):
    """Writes the test of one part. Returns its numbers of torrent-countries and drops."""
    series, drops = simulate(part, size)
    lines = [f"rule_files: [{rules}, {RULES / 'alerts.rules.yaml'}]", f"evaluation_interval: {STEP}m",
             # Without this, promtool evaluates groups in any order, and inputs from others are
             # a step old.
             f"group_eval_order: [{', '.join(groups(rules) + groups(RULES / 'alerts.rules.yaml'))}]", "tests:",
             f"  - interval: {STEP}m", "    input_series:"]
    for name, values in series.items():
        lines += [f"      - series: '{name}'", f"        values: '{notation(values)}'"]
    lines.append("    promql_expr_test:")

    def check(expression, step, expected=()):
        lines.extend([f"      - expr: '{expression}'", f"        eval_time: {step * STEP}m",
                      "        exp_samples:" if expected else "        exp_samples: []"])
        lines.extend(f"          - {{labels: '{labels}', value: 1}}" for labels in expected)

    firing = 'ALERTS{alertstate="firing"'
    check("group by (alertname, torrent, country, asn, severity) "
          f'(count_over_time({firing}, alertname!~"{EXPECTED}"}}[{DAYS - 1}d:{STEP}m]))', LAST_DAY)
    check(f'group by (severity) (count_over_time({firing}, severity="page"}}[{DAYS - 1}d:{STEP}m]))', LAST_DAY)
    # The month is not empty: the outages of our network fired.
    check(f'group(count_over_time({firing}, alertname="SeedwatchOffline"}}[{DAYS - 1}d:{STEP}m]))', LAST_DAY, ["{}"])
    for step, torrent, country in drops:
        check(f'group by (torrent, country) ({firing}, alertname="TorrentCountryCliff", torrent="{torrent}"}})',
              step + 30 // STEP, [f'{{torrent="{torrent}", country="{country}"}}'])
    named = [f'{{torrent="{torrent}", country="{country}"}}' for _, torrent, country in drops]
    check(f'group by (torrent, country) (count_over_time({firing}, alertname="TorrentCountryCliff"}}[1d:{STEP}m]))',
          STEPS - 1, named)
    path.write_text("\n".join(lines) + "\n")
    countries = sum(name.startswith("seedwatch_torrent_country_peers") for name in series)
    return countries, len(drops)


def run(folder, rules, part, size):
    path = folder / f"part{part}.yaml"
    countries, drops = write_test(path, rules, part, size)
    done = subprocess.run(["promtool", "test", "rules", str(path)], capture_output=True, text=True)
    return countries, drops, done.returncode, done.stdout + done.stderr


def main():
    size = TORRENTS // PARTS
    parts = range(PARTS)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        rules = RULES / "recording.rules.yaml"
        with concurrent.futures.ProcessPoolExecutor(max_workers=2) as pool:
            jobs = [pool.submit(run, folder, rules, part, size) for part in parts]
            results = [job.result() for job in jobs]
    failed = [output for _, _, status, output in results if status]
    print("".join(failed), end="", file=sys.stderr)
    countries, drops = sum(r[0] for r in results), sum(r[1] for r in results)
    print(f"a month of {countries} torrent-countries, {OUTAGES * len(parts)} outages of our network, {drops} drops: "
          + ("FAILED" if failed else "no false alarm, every drop found within 30 minutes"))
    if drops < 20:
        print("too few drops for a meaningful test", file=sys.stderr)
        sys.exit(1)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
