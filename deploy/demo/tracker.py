"""A small HTTP tracker (BEP 3, BEP 23, BEP 48), and peers for it with addresses of many countries.

Clients of the demo register here, and leave at once when they say `stopped`. A torrent may also
list addresses that no client of the demo has. They come from the table of countries that seedwatch
embeds. Nothing contacts them: seedwatch reads peer lists and never connects to a peer, and the
clients of the demo have other torrents.
"""

import gzip
import http.server
import ipaddress
import pathlib
import struct
import threading
import urllib.parse

TABLE = pathlib.Path(__file__).resolve().parents[2] / "crates/geo/dbip/countries.gz"
MAGIC = b"seedwatch geo 1\n"
# Seconds after which a client asks again.
INTERVAL = 5


def lengths(packed, count):
    """Returns the first `count` numbers of a sequence of LEB128."""
    found, number, shift = [], 0, 0
    for byte in packed:
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            found.append(number)
            number, shift = 0, 0
            if len(found) == count:
                return found
    raise ValueError("the table of countries ends early")


def peers_of(counts):
    """Returns so many IPv4 addresses of each country, each in a network of its own."""
    # crates/geo/src/packed.rs describes the format.
    packed = gzip.decompress(TABLE.read_bytes())
    if not packed.startswith(MAGIC):
        raise ValueError(f"{TABLE} has another format")
    at = len(MAGIC) + 8
    codes = struct.unpack_from(">H", packed, at)[0]
    names = [packed[at + 2 + 2 * n :][:2].decode() for n in range(codes)]
    at += 2 + 2 * codes
    ranges = struct.unpack_from(">I", packed, at)[0]
    countries = packed[at + 4 : at + 4 + ranges]
    largest, start = {}, 0
    for country, length in zip(countries, lengths(packed[at + 4 + ranges :], ranges - 1)):
        name = names[country]
        if name in counts and length > largest.get(name, (0, 0))[1]:
            largest[name] = (start, length)
        start += length
    return [
        (str(ipaddress.IPv4Address(largest[name][0] + 256 * n + 10)), 51413)
        for name, count in counts.items()
        for n in range(count)
    ]


class Tracker(http.server.ThreadingHTTPServer):
    """The tracker: for each info-hash, the peers and whether each is a seed."""

    daemon_threads = True

    def __init__(self, address):
        super().__init__(address, Request)
        self.swarms = {}
        self.lock = threading.Lock()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def add(self, infohash, peers=(), seeds=0):
        """Adds a torrent, which lists these peers, the first ones as seeds."""
        self.swarms[bytes.fromhex(infohash)] = {peer: n < seeds for n, peer in enumerate(peers)}


class Request(http.server.BaseHTTPRequestHandler):
    """One announce or scrape."""

    def do_GET(self):
        """Answers; a torrent that was not added is refused."""
        url = urllib.parse.urlsplit(self.path)
        asked = urllib.parse.parse_qs(url.query, encoding="latin-1")
        value = lambda key: asked.get(key, [""])[-1].encode("latin-1")
        swarm = self.server.swarms.get(value("info_hash"))
        if swarm is None:
            body = b"d14:failure reason15:unknown torrente"
        else:
            with self.server.lock:
                body = self.answer(url.path, value, swarm)
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def answer(self, path, value, swarm):
        """Returns the answer to an announce or a scrape of a swarm."""
        asking = (self.client_address[0], int(value("port") or 0))
        if path == "/announce":
            swarm.pop(asking, None)
        seeds = sum(swarm.values())
        counts = b"8:completei%de%s10:incompletei%de" % (seeds, b"%s", len(swarm) - seeds)
        if path != "/announce":
            return b"d5:filesd20:%sd%seee" % (value("info_hash"), counts % b"10:downloadedi0e")
        others = b"".join(
            ipaddress.ip_address(host).packed + struct.pack(">H", port) for host, port in swarm
        )
        if value("event") != b"stopped":
            swarm[asking] = value("left") == b"0"
        return b"d%s8:intervali%de5:peers%d:%se" % (counts % b"", INTERVAL, len(others), others)

    def log_message(self, *_):
        """Says nothing."""
