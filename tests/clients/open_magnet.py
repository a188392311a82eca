"""Opens a magnet link with a real libtorrent session that asks trackers only.

Usage: open_magnet.py ADDRESS MAGNET
Prints "no peer" once every tracker has failed or answered without a peer, or "metadata" once a peer
has sent the metadata of the torrent.
"""

import sys
import time

import libtorrent as lt

address, magnet = sys.argv[1:]
category = lt.alert.category_t
session = lt.session({
    "listen_interfaces": f"{address}:51413",
    "alert_mask": category.tracker_notification | category.status_notification,
    "announce_to_all_tiers": True,
    "announce_to_all_trackers": True,
    "enable_dht": False,
    "enable_lsd": False,
    "enable_natpmp": False,
    "enable_upnp": False,
})
parameters = lt.parse_magnet_uri(magnet)
parameters.save_path = "/nonexistent"
silent = set(parameters.trackers)
peers = 0
session.add_torrent(parameters)
while True:
    for alert in session.pop_alerts():
        if isinstance(alert, lt.metadata_received_alert):
            print("metadata", flush=True)
            sys.exit()
        if isinstance(alert, lt.tracker_reply_alert):
            peers += alert.num_peers
            silent.discard(alert.url)
        if isinstance(alert, lt.tracker_error_alert):
            silent.discard(alert.url)
    if not silent and peers == 0:
        print("no peer", flush=True)
        sys.exit()
    time.sleep(0.05)
