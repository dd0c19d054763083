"""The package requests: ask for a page."""

import sys

import requests

session = requests.Session()
session.trust_env = False  # no proxy
print("the server says", session.get(f"http://127.0.0.1:{sys.argv[1]}/", timeout=3).status_code)
