#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A proxy before a registry that stops in the middle of things: stalling_proxy.py UPSTREAM STATE

Forwards each request to http://UPSTREAM. Where STATE/stall holds a line "METHOD REGEX BYTES" whose
first two match, so many bytes of the answer's body are given and then nothing more, with the
connection open, until STATE/go appears; a request with a body that matches is not read and not
answered until then. STATE/stalled appears when that happens, STATE/port holds the port, STATE/log
each request.
"""
import http.client
import http.server
import pathlib
import re
import sys
import time

upstream, state = sys.argv[1], pathlib.Path(sys.argv[2])


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def stall_after(self):
        """Bytes that this answer may have; None: all."""
        try:
            method, regex, count = (state / "stall").read_text().split()
        except FileNotFoundError:
            return None
        if method == self.command and re.search(regex, self.path):
            return int(count)
        return None

    def stall(self):
        (state / "stalled").touch()
        while not (state / "go").exists():
            time.sleep(0.05)

    def forward(self):
        limit = self.stall_after()
        length = int(self.headers.get("Content-Length", 0))
        with open(state / "log", "a") as log:
            log.write(f"{self.command} {self.path}\n")
        if limit is not None and length:
            self.stall()
        body = self.rfile.read(length) if length else None
        connection = http.client.HTTPConnection(upstream)
        connection.request(self.command, self.path, body, dict(self.headers))
        answer = connection.getresponse()
        data = answer.read()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("date", "server", "transfer-encoding", "content-length"):
                self.send_header(name, value)
        size = answer.getheader("Content-Length") if self.command == "HEAD" else len(data)
        self.send_header("Content-Length", size or 0)
        self.end_headers()
        if limit is not None:
            self.wfile.write(data[:limit])
            self.wfile.flush()
            self.stall()
            data = data[limit:]
        if self.command != "HEAD":
            self.wfile.write(data)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = forward

    def log_message(self, *args):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.daemon_threads = True
(state / "port.new").write_text(str(server.server_port))
(state / "port.new").rename(state / "port")
server.serve_forever()
