"""A small helper program: asks what needs seeding, as at /dyn/generate_torrents, and seeds it.

Usage: generate_torrents.py ADDRESS FEED FOLDER
The data is in FOLDER already. Prints "seeding HASH" for each torrent of the feed that is complete.
"""

import json
import sys
import time
import urllib.request

import libtorrent as lt

address, feed, folder = sys.argv[1:]
with urllib.request.urlopen(feed) as answer:
    torrents = json.load(answer)
session = lt.session({
    "listen_interfaces": f"{address}:51413",
    "alert_mask": lt.alert.category_t.error_notification,
    "enable_dht": False,
    "enable_lsd": False,
    "enable_natpmp": False,
    "enable_upnp": False,
})
handles = []
for torrent in torrents:
    if torrent["url"].startswith("http"):
        with urllib.request.urlopen(torrent["url"]) as answer:
            metainfo = lt.torrent_info(lt.bdecode(answer.read()))
        parameters = lt.add_torrent_params()
        parameters.ti = metainfo
    else:
        parameters = lt.parse_magnet_uri(torrent["url"])
    parameters.save_path = folder
    handles.append((torrent["btih"], session.add_torrent(parameters)))
while True:
    for btih, handle in list(handles):
        status = handle.status()
        if status.is_seeding and status.total_payload_download == 0:
            handles.remove((btih, handle))
            print(f"seeding {btih}", flush=True)
    for alert in session.pop_alerts():
        print(alert.message(), file=sys.stderr, flush=True)
    time.sleep(0.05)
