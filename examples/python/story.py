"""Register, log in, offer, read back, and hear of a new offer: with requests and websockets."""

import json
import os
import uuid

import requests
from websockets.sync.client import connect

USERS = os.environ.get("USERS_URL", "http://127.0.0.1:8001")
OFFERS = os.environ.get("OFFERS_URL", "http://127.0.0.1:8002")
PASSWORD = "7 quiet herons"

http = requests.Session()


def post(url, body):
    """Posts JSON; a failure tells what the service said of it."""
    answer = http.post(url, json=body, timeout=30)
    if not answer.ok:
        raise SystemExit(f"{url}: {answer.text}")
    return answer.json()


def offer(user, title):
    body = {"user_id": user, "title": title, "text": "As good as new."}
    return post(f"{OFFERS}/offer/create/", body)


name = f"story-{uuid.uuid4().hex[:12]}"
credentials = {"username": name, "password": PASSWORD}
post(f"{USERS}/user/registry/", {**credentials, "email": f"{name}@example.org"})
print("registered", name)

session = post(f"{USERS}/user/auth/", credentials)
user = session["user_id"]
http.headers["Authorization"] = f"Bearer {session['access_token']}"
print("logged in as user", user)

offer(user, "Bicycle")
print("offered a bicycle")

found = http.get(f"{USERS}/user/{user}/", timeout=30).json()
print("read back:", ", ".join(offer["title"] for offer in found["offers"]))

# Subscriptions speak graphql-transport-ws: https://github.com/enisdenjo/graphql-ws.
QUERY = "subscription ($user: ID) { offerCreated(userId: $user) { title } }"
url = OFFERS.replace("http", "ws", 1) + "/graphql/ws"
with connect(url, subprotocols=["graphql-transport-ws"]) as socket:

    def say(message):
        socket.send(json.dumps(message))

    def hear(kind):
        message = json.loads(socket.recv(timeout=30))
        if message["type"] != kind:
            raise SystemExit(f"expected {kind}: {message}")
        return message

    say({"type": "connection_init"})
    hear("connection_ack")
    say({"type": "subscribe", "id": "1", "payload": {"query": QUERY, "variables": {"user": str(user)}}})
    # Messages are read in order: with the answer to a ping, the subscription has begun.
    say({"type": "ping"})
    hear("pong")
    offer(user, "Lamp")
    event = hear("next")["payload"]["data"]["offerCreated"]
    print("heard of:", event["title"])
