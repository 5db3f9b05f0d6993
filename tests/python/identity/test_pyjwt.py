"""The example for Django in docs/identity.md, with the real PyJWT, and every algorithm that a key file may have."""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
import types
import unittest
import urllib.request

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from livechat import ROOT, Server

CREATE = "mutation { createRoom { room { id code } } }"
SEND = """mutation ($input: SendMessageInput!) {
  sendMessage(input: $input) { token author { id displayName isVerified avatarUrl } }
}"""


def example(language):
    """The example in this language."""
    docs = (ROOT / "docs" / "identity.md").read_text()
    (code,) = re.findall(rf"```{language}\n(.*?)```", docs, re.DOTALL)
    return code


def graphql(server, query, **variables):
    body = json.dumps({"query": query, "variables": variables}).encode()
    request = urllib.request.Request(server.http, body, {"content-type": "application/json"})
    with urllib.request.urlopen(request) as response:
        return json.load(response)


def send(server, identity):
    """Sends a message with an identity; returns the response."""
    room = graphql(server, CREATE)["data"]["createRoom"]["room"]
    sent = {"roomId": room["id"], "roomCode": room["code"], "text": "hello", "token": identity}
    return graphql(server, SEND, input=sent)


class Django:
    """The parts of Django that the example uses."""

    def __enter__(self):
        self._names = ["django", "django.contrib", "django.contrib.auth", "django.contrib.auth.decorators", "django.http"]
        for name in self._names:
            sys.modules[name] = types.ModuleType(name)
        sys.modules["django.contrib.auth.decorators"].login_required = lambda view: view
        sys.modules["django.http"].JsonResponse = lambda data: data

    def __exit__(self, *_):
        for name in self._names:
            del sys.modules[name]


class User:
    pk = 42

    def get_full_name(self):
        return ""

    def get_username(self):
        return "ada"


class PyJwtTest(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = directory.name

    def test_the_example_signs_an_identity_that_the_server_accepts(self):
        subprocess.run(["sh", "-e", "-c", example("sh")], cwd=self.directory, check=True, stderr=subprocess.DEVNULL)
        view = {}
        before = os.getcwd()
        os.chdir(self.directory)
        try:
            with Django():
                exec(example("python"), view)
        finally:
            os.chdir(before)
        identity = view["livechat_identity"](types.SimpleNamespace(user=User()))["identity"]
        with Server(IDENTITY="required", IDENTITY_KEYS=f"{self.directory}/livechat-jwks.json") as server:
            sent = send(server, identity)["data"]["sendMessage"]
        author = {"id": "@42", "displayName": "ada", "isVerified": True, "avatarUrl": None}
        self.assertEqual(sent, {"token": identity, "author": author})

    def test_keys_of_every_algorithm_sign_identities(self):
        keys = {
            "EdDSA": (ed25519.Ed25519PrivateKey.generate(), jwt.algorithms.OKPAlgorithm),
            "ES256": (ec.generate_private_key(ec.SECP256R1()), jwt.algorithms.ECAlgorithm),
            "RS256": (rsa.generate_private_key(65537, 2048), jwt.algorithms.RSAAlgorithm),
        }
        jwks = [json.loads(kind.to_jwk(key.public_key())) for key, kind in keys.values()]
        with open(f"{self.directory}/jwks.json", "w") as file:
            json.dump({"keys": jwks}, file)
        claims = {"sub": "42", "name": "Ada", "exp": int(time.time()) + 300}
        with Server(IDENTITY="optional", IDENTITY_KEYS=f"{self.directory}/jwks.json") as server:
            for algorithm, (key, _) in keys.items():
                sent = send(server, jwt.encode(claims, key, algorithm=algorithm))
                self.assertEqual(sent["data"]["sendMessage"]["author"]["id"], "@42", algorithm)
            forged = jwt.encode(claims, ec.generate_private_key(ec.SECP256R1()), algorithm="ES256")
            unsigned = jwt.encode(claims, None, algorithm="none")
            other = jwt.encode(claims, keys["RS256"][0], algorithm="RS512")
            for refused in (forged, unsigned, other):
                errors = send(server, refused)["errors"]
                self.assertEqual(errors[0]["extensions"]["code"], "IDENTITY_INVALID", refused)


if __name__ == "__main__":
    unittest.main()
