"""Joins a swarm with a real libtorrent session.

Usage: libtorrent_peer.py seed|leech ADDRESS TORRENT FOLDER TRACKER...
A seeder reads the data from FOLDER; a leecher downloads nothing. Prints "ready" when every tracker
has answered. SIGUSR1 makes it leave: it tells the trackers, and ends. Runs one session per process:
libtorrent shares connection ids between sessions, and opentracker binds each id to an address.
"""

import signal
import sys
import time

import libtorrent as lt

role, address, torrent, folder, *trackers = sys.argv[1:]
session = lt.session({
    "listen_interfaces": f"{address}:51413",
    "alert_mask": lt.alert.category_t.tracker_notification | lt.alert.category_t.error_notification,
    "announce_to_all_tiers": True,
    "announce_to_all_trackers": True,
    "enable_dht": False,
    "enable_lsd": False,
    "enable_natpmp": False,
    "enable_upnp": False,
})
parameters = lt.add_torrent_params()
parameters.ti = lt.torrent_info(torrent)
parameters.trackers = trackers
if role == "seed":
    parameters.save_path = folder
    parameters.flags = lt.torrent_flags.seed_mode
else:
    parameters.save_path = "/nonexistent"
    parameters.flags = lt.torrent_flags.upload_mode
session.add_torrent(parameters)

# At the end of the program, the session tells the trackers and waits for their answers.
signal.signal(signal.SIGUSR1, lambda *_: sys.exit())
silent = set(trackers)
while True:
    for alert in session.pop_alerts():
        if isinstance(alert, lt.tracker_reply_alert):
            if alert.url in silent:
                silent.remove(alert.url)
                if not silent:
                    print("ready", flush=True)
        else:
            print(alert.message(), file=sys.stderr, flush=True)
    time.sleep(0.05)
