"""sgqlc: types generated from the schema of the server by introspection, and requests built with them, over HTTP and WebSocket.

Its WebSocket endpoint uses the older protocol `graphql-ws`.
"""

import importlib
import pathlib
import subprocess
import sys
import tempfile
import unittest

from sgqlc.endpoint.http import HTTPEndpoint
from sgqlc.endpoint.requests import RequestsEndpoint
from sgqlc.endpoint.websocket import WebSocketEndpoint
from sgqlc.operation import Operation

from livechat import Server

# In seconds; long enough for a busy machine.
TIMEOUT = 60


class SgqlcTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(Server())
        directory = cls.enterClassContext(tempfile.TemporaryDirectory())
        schema = pathlib.Path(directory) / "schema.json"
        subprocess.run([sys.executable, "-m", "sgqlc.introspection", cls.server.http, schema], check=True)
        program = pathlib.Path(sys.executable).parent / "sgqlc-codegen"
        generated = pathlib.Path(directory) / "livechat_schema.py"
        subprocess.run([program, "schema", schema, generated], check=True)
        sys.path.insert(0, directory)
        cls.addClassCleanup(sys.path.remove, directory)
        cls.schema = importlib.import_module("livechat_schema")

    def test_chat_over_urllib(self):
        self.chat(HTTPEndpoint(self.server.http))

    def test_chat_over_requests(self):
        self.chat(RequestsEndpoint(self.server.http))

    def test_chat_over_websocket(self):
        endpoint = WebSocketEndpoint(self.server.ws, timeout=TIMEOUT)

        def execute(operation):
            [answer] = endpoint(operation)
            return answer

        self.chat(execute)

    def test_subscription_over_websocket(self):
        endpoint = HTTPEndpoint(self.server.http)

        def execute(operation):
            answer = endpoint(operation)
            self.assertNotIn("errors", answer)
            return operation + answer

        def follow(**variables):
            subscription = Operation(self.schema.Subscription)
            event = subscription.message_events(**variables)
            event.__typename__()
            event.cursor()
            event.message().text()
            for payload in WebSocketEndpoint(self.server.ws, timeout=TIMEOUT)(subscription):
                yield payload.get("errors") or payload["data"]["messageEvents"]

        def send(text):
            mutation = Operation(self.schema.Mutation)
            mutation.send_message(input={**key, "text": text}).token()
            execute(mutation)

        create = Operation(self.schema.Mutation)
        create.create_room().room().__fields__("id", "code", "cursor")
        room = execute(create).create_room.room
        key = {"room_id": room.id, "room_code": room.code}
        send("replayed")
        events = follow(**key, after=room.cursor)
        first = next(events)
        send("live")
        second = next(events)
        events.close()
        self.assertEqual([event["__typename"] for event in (first, second)], ["MessageSent"] * 2)
        self.assertEqual([event["message"]["text"] for event in (first, second)], ["replayed", "live"])
        resumed = follow(**key, after=first["cursor"])
        self.assertEqual(next(resumed), second)
        resumed.close()

        [errors] = follow(room_id=room.id, room_code=room.code + "0")
        self.assertEqual([error["extensions"]["code"] for error in errors], ["ROOM_CODE_INVALID"])

    def chat(self, endpoint):
        def run(operation):
            answer = endpoint(operation)
            self.assertNotIn("errors", answer)
            return operation + answer

        def mutation():
            return Operation(self.schema.Mutation)

        create = mutation()
        create.create_room().room().__fields__("id", "code", "cursor")
        room = run(create).create_room.room
        key = {"room_id": room.id, "room_code": room.code}

        send = mutation()
        sending = send.send_message(input={**key, "text": "first"})
        sending.__fields__("token")
        sending.message().id()
        sending.author().id()
        sent = run(send).send_message

        edit = mutation()
        user = {"user_id": sent.author.id, "token": sent.token}
        message = {"message_id": sent.message.id}
        editing = edit.edit_message(input={**key, **user, **message, "text": "first, mended"})
        editing.token()
        editing.message().__fields__("text", "edited_at")
        edited = run(edit).edit_message
        self.assertEqual(edited.message.text, "first, mended")
        self.assertIsNotNone(edited.message.edited_at)

        delete = mutation()
        user["token"] = edited.token
        deleting = delete.delete_message(input={**key, **user, **message})
        deleting.message().__fields__("text", "deleted_at")
        deleted = run(delete).delete_message
        self.assertIsNone(deleted.message.text)
        self.assertIsNotNone(deleted.message.deleted_at)

        wrong_code = {**key, **user, "room_code": room.code + "0", "text": "no"}
        wrong_token = {**key, **user, "token": "0" * 32, "text": "no"}
        for input, code in [(wrong_code, "ROOM_CODE_INVALID"), (wrong_token, "TOKEN_INVALID")]:
            refused = mutation()
            refused.send_message(input=input).token()
            answer = endpoint(refused)
            self.assertEqual([error["extensions"]["code"] for error in answer["errors"]], [code])


if __name__ == "__main__":
    unittest.main()
