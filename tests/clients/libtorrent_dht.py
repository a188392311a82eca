"""Runs a private DHT of real libtorrent sessions, some of which announce torrents.

Usage: libtorrent_dht.py PLAN, where PLAN is a JSON file:

    {"addresses": ["127.61.0.1", ...],  one session each, IPv4 or IPv6
     "port": 6881,
     "own_limits": false,               true: the default rate limits of libtorrent
     "torrents": [{"file": PATH, "folder": PATH, "seeds": [0, 1], "leeches": [2]}],
     "magnets": [{"hash": 40 or 64 hexadecimal digits, "leeches": [3]}]}

Prints "open" when all sessions exist, and "ready" when each session knows enough other nodes.
Sessions then announce every few seconds. Peers never connect to each other: the test reads them
from the DHT only.
"""

import json
import random
import sys
import time

import libtorrent as lt

with open(sys.argv[1]) as file:
    plan = json.load(file)
addresses, port = plan["addresses"], plan["port"]

settings = {
    "alert_mask": 0,
    "dht_bootstrap_nodes": "",
    "enable_lsd": False,
    "enable_natpmp": False,
    "enable_outgoing_tcp": False,
    "enable_outgoing_utp": False,
    "enable_upnp": False,
    # These restrictions suit the Internet; on the loopback network they would separate the nodes.
    "dht_ignore_dark_internet": False,
    "dht_prefer_verified_node_ids": False,
    "dht_restrict_routing_ips": False,
    "dht_restrict_search_ips": False,
}
if not plan["own_limits"]:
    # All sessions start at once; the default limits would silence the nodes that are queried first.
    settings["dht_block_ratelimit"] = 10_000
    settings["dht_upload_rate_limit"] = 10_000_000



def start_session(address):
    """Returns a session that listens on this address."""
    host = f"[{address}]" if ":" in address else address
    return lt.session({**settings, "listen_interfaces": f"{host}:{port}"})


sessions = [start_session(address) for address in addresses]
print("open", flush=True)


def introduce(session):
    """Adds a few other nodes to the routing table of a session."""
    for other in random.sample(addresses, min(8, len(addresses))):
        session.add_dht_node((other, port))


def node_count(session):
    """Returns the number of nodes in the routing table of a session."""
    session.post_session_stats()
    session.wait_for_alert(1000)
    alerts = session.pop_alerts()
    return max((alert.values["dht.dht_nodes"] for alert in alerts if hasattr(alert, "values")), default=0)


def isolated():
    """Returns the sessions that know too few nodes."""
    enough = min(8, len(addresses) // 2)
    return [session for session in sessions if node_count(session) < enough]


for session in sessions:
    introduce(session)
while waiting := isolated():
    time.sleep(0.5)
    for session in waiting:
        introduce(session)

torrents = []
for torrent in plan["torrents"]:
    for role in ("seeds", "leeches"):
        for number in torrent[role]:
            parameters = lt.add_torrent_params()
            parameters.ti = lt.torrent_info(torrent["file"])
            parameters.trackers = []
            if role == "seeds":
                parameters.save_path = torrent["folder"]
                parameters.flags = lt.torrent_flags.seed_mode
            else:
                parameters.save_path = "/nonexistent"
                parameters.flags = lt.torrent_flags.upload_mode
            torrents.append(sessions[number].add_torrent(parameters))
for magnet in plan["magnets"]:
    raw = bytes.fromhex(magnet["hash"])
    for number in magnet["leeches"]:
        parameters = lt.add_torrent_params()
        name = lt.sha1_hash if len(raw) == 20 else lt.sha256_hash
        parameters.info_hashes = lt.info_hash_t(name(raw))
        parameters.save_path = "/nonexistent"
        parameters.flags = lt.torrent_flags.upload_mode
        torrents.append(sessions[number].add_torrent(parameters))

print("ready", flush=True)
while True:
    for torrent in torrents:
        torrent.force_dht_announce()
    time.sleep(3)
