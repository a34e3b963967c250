"""Registers, logs in, creates an offer, reads it, and receives a new one: with requests and websockets."""

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
    """Sends JSON by POST, and returns the response; exits with the problem details of a failure."""
    response = http.post(url, json=body, timeout=30)
    if not response.ok:
        raise SystemExit(f"{url}: {response.text}")
    return response.json()


def create_offer(user, title):
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

create_offer(user, "Bicycle")
print("created an offer: Bicycle")

profile = http.get(f"{USERS}/user/{user}/", timeout=30).json()
print("read:", ", ".join(offer["title"] for offer in profile["offers"]))

# The protocol of subscriptions is graphql-transport-ws: https://github.com/enisdenjo/graphql-ws.
QUERY = "subscription ($user: ID) { offerCreated(userId: $user) { title } }"
url = OFFERS.replace("http", "ws", 1) + "/graphql/ws"
with connect(url, subprotocols=["graphql-transport-ws"]) as socket:

    def send(message):
        socket.send(json.dumps(message))

    def receive(kind):
        message = json.loads(socket.recv(timeout=30))
        if message["type"] != kind:
            raise SystemExit(f"expected {kind}: {message}")
        return message

    send({"type": "connection_init"})
    receive("connection_ack")
    send({"type": "subscribe", "id": "1", "payload": {"query": QUERY, "variables": {"user": str(user)}}})
    # Messages are processed in order: once the pong arrives, the subscription has begun.
    send({"type": "ping"})
    receive("pong")
    create_offer(user, "Lamp")
    event = receive("next")["payload"]["data"]["offerCreated"]
    print("received:", event["title"])
