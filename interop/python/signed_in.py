"""A web server that gives one file to whoever signs in: PORT FILE USER PASSWORD."""

import base64
import http.server
import re
import sys

port, file, user, password = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]
data = open(file, "rb").read()
expected = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


class Server(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.headers.get("Authorization") != expected:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="films"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        asked = re.match(r"bytes=(\d+)-", self.headers.get("Range", ""))
        begin = int(asked.group(1)) if asked else 0
        self.send_response(206 if asked else 200)
        self.send_header("Accept-Ranges", "bytes")
        if asked:
            self.send_header("Content-Range", f"bytes {begin}-{len(data) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(data) - begin))
        self.end_headers()
        self.wfile.write(data[begin:])


http.server.ThreadingHTTPServer(("127.0.0.1", port), Server).serve_forever()
