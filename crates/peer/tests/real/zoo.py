"""Runs libtorrent peers of one torrent, one session for each, for visits.

Usage: zoo.py FOLDER ROLE...
Makes a torrent of two files with ten pieces each in FOLDER, prints "torrent", its hashes (version 1
and 2) and the path of its info dictionary; then for each role, when its peer is ready, "ROLE PORT".
Ends with its standard input. The role "caller:PORT" connects to that port, encrypted.
"""

import os
import sys
import time

import libtorrent as lt

PIECE = 16384
PIECES = 20
folder, *roles = sys.argv[1:]


def content(name):
    return b"".join(name.encode() * 4 + bytes([at]) * (PIECE - 4) for at in range(PIECES // 2))


def write(place, has):
    """Writes the files; the pieces that are missing are zeros."""
    os.makedirs(os.path.join(place, "zoo"))
    for first, name in ((0, "a"), (PIECES // 2, "b")):
        data = bytearray(content(name))
        for at in range(PIECES // 2):
            if first + at not in has:
                data[at * PIECE : (at + 1) * PIECE] = bytes(PIECE)
        with open(os.path.join(place, "zoo", name), "wb") as file:
            file.write(data)


def make(flags):
    files = lt.file_storage()
    for name in "a", "b":
        files.add_file(f"zoo/{name}", PIECE * PIECES // 2)
    torrent = lt.create_torrent(files, piece_size=PIECE, flags=flags)
    lt.set_piece_hashes(torrent, os.path.join(folder, "whole"))
    return lt.torrent_info(torrent.generate())


def settings(role):
    values = {
        "listen_interfaces": "127.0.0.1:0",
        "alert_mask": lt.alert.category_t.status_notification,
        "enable_dht": False,
        "enable_lsd": False,
        "enable_natpmp": False,
        "enable_upnp": False,
        "allow_multiple_connections_per_ip": True,
    }
    if role.startswith("encrypted"):
        values["in_enc_policy"] = int(lt.enc_policy.forced)
        values["allowed_enc_level"] = int(lt.enc_level.rc4)
    if role.startswith("caller"):
        values["out_enc_policy"] = int(lt.enc_policy.forced)
        values["allowed_enc_level"] = int(lt.enc_level.rc4)
    if role == "plaintext":
        values["in_enc_policy"] = int(lt.enc_policy.disabled)
    return values


HALVES = {"lower": range(0, 10), "upper": range(10, 20), "most": range(0, 19), "hole": [0, 5]}


def start(role, info):
    session = lt.session(settings(role))
    parameters = lt.add_torrent_params()
    kind = role.removeprefix("encrypted-")
    place = os.path.join(folder, kind)
    if kind == "magnet":
        parameters.info_hashes = info.info_hashes()
    else:
        parameters.ti = info
    if kind in HALVES or kind == "selected":
        write(place, HALVES.get(kind, range(0, 10)))
        parameters.save_path = place
    elif kind in ("empty", "magnet"):
        parameters.save_path = place
    else:
        parameters.save_path = os.path.join(folder, "whole")
    parameters.flags = lt.torrent_flags.update_subscribe
    if kind == "super":
        parameters.flags |= lt.torrent_flags.super_seeding
    if kind == "selected":
        parameters.file_priorities = [4, 0]
    if kind != "other":
        return session, session.add_torrent(parameters)
    return session, None


DONE = {"seeding", "finished", "downloading", "downloading_metadata"}

write(os.path.join(folder, "whole"), range(PIECES))
info = make(0 if "hybrid" in roles else lt.create_torrent.v1_only)
dictionary = os.path.join(folder, "info")
with open(dictionary, "wb") as file:
    file.write(info.info_section())
hashes = info.info_hashes()
print("torrent", hashes.v1, hashes.v2 if hashes.has_v2() else "-", dictionary, flush=True)
peers = [(role, *start(role, info)) for role in roles]
while peers:
    waiting = []
    for role, session, handle in peers:
        is_ready = handle is None or str(handle.status().state) in DONE
        if is_ready and role == "paused" and not handle.status().paused:
            handle.pause()
            is_ready = False
        port = session.listen_port()
        if is_ready and port:
            print(role, port, flush=True)
            if role.startswith("caller"):
                handle.connect_peer(("127.0.0.1", int(role.partition(":")[2])))
            roles.append((session, handle))
        else:
            waiting.append((role, session, handle))
    peers = waiting
    time.sleep(0.05)
sys.stdin.read()
