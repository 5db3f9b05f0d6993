"""Waits for a server, and has a first chat with it: first_chat.py URL. Also checks that the server contains GraphiQL."""

import json
import re
import sys
import time
import urllib.request

url = sys.argv[1]


def get(path: str) -> tuple[str, dict]:
    with urllib.request.urlopen(url + path, timeout=5) as response:
        return response.read().decode(errors="replace"), response.headers


def mutation(field: str, selection: str, **variables: object) -> dict:
    types = "" if not variables else "($input: SendMessageInput!)"
    arguments = "" if not variables else "(input: $input)"
    query = f"mutation {types} {{ {field} {arguments} {{ {selection} }} }}"
    body = json.dumps({"query": query, "variables": variables}).encode()
    request = urllib.request.Request(f"{url}/graphql", body, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=5) as response:
        answer = json.load(response)
    assert "errors" not in answer, answer
    return answer["data"][field]


start = time.monotonic()
while True:
    try:
        page, _ = get("/")
        break
    except OSError:
        if time.monotonic() > start + 30:
            raise
        time.sleep(0.05)
print(f"first page after {time.monotonic() - start:.2f} s")
assert "<title>" in page

# The policy allows no other server, and the files are there.
page, headers = get("/graphiql")
assert "http" not in headers["content-security-policy"], headers["content-security-policy"]
files = re.findall(r'(?:src|href)="(?:\./)?(graphiql/[^"]+)"', page)
assert files and not re.search(r'(?:src|href)="(?:https?:)?//', page), page
for file in files:
    get(f"/{file}")
get("/graphiql/licenses.md")

room = mutation("createRoom", "room { id code }")["room"]
message = {"roomId": room["id"], "roomCode": room["code"], "displayName": "Ada", "text": "Hello"}
assert mutation("sendMessage", "message { text }", input=message)["message"]["text"] == "Hello"
