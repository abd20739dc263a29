"""The least daemon there can be: `python -m benchmarks.idle_floor URL DATABASE PERIOD_S`.

The standard library alone: asks the shop over one connection, notes in SQLite that it did, sleeps. Ends when killed.
"""

import http.client
import json
import sqlite3
import sys
import time
from urllib.parse import urlsplit


class Poller:
    """Asks one thing of a shop, again and again."""

    def __init__(self, url: str, database: str) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
        self._db = sqlite3.connect(database, isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL").fetchall()
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.execute("CREATE TABLE IF NOT EXISTS polls (name TEXT PRIMARY KEY, polled_at REAL)")
        self._db.execute("INSERT INTO polls VALUES ('orders', 0) ON CONFLICT DO NOTHING")

    def poll(self) -> None:
        self._connection.request("GET", "/wp-json/wc/v3/orders?page=1&per_page=100&_fields=id")
        assert json.loads(self._connection.getresponse().read()) == []
        self._db.execute("UPDATE polls SET polled_at = ? WHERE name = 'orders'", (time.time(),))

    def close(self) -> None:
        self._connection.close()
        self._db.close()


def main() -> None:
    poller = Poller(sys.argv[1], sys.argv[2])
    while True:
        poller.poll()
        time.sleep(float(sys.argv[3]))


if __name__ == "__main__":
    main()
