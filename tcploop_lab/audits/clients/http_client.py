"""Python's http.client: ask for a page."""

import http.client
import sys

connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=3)
connection.request("GET", "/")
print("the server says", connection.getresponse().status)
