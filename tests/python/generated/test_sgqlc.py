"""sgqlc: types generated from what the server says of its schema, and requests built with them, over HTTP.

Its WebSocket endpoint speaks the protocol that subscriptions-transport-ws had, which this server does not.
"""

import importlib
import pathlib
import subprocess
import sys
import tempfile
import unittest

from sgqlc.endpoint.http import HTTPEndpoint
from sgqlc.endpoint.requests import RequestsEndpoint
from sgqlc.operation import Operation

from livechat import Server


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

    def test_a_whole_round_over_urllib(self):
        self.whole_round(HTTPEndpoint(self.server.http))

    def test_a_whole_round_over_requests(self):
        self.whole_round(RequestsEndpoint(self.server.http))

    def whole_round(self, endpoint):
        def run(operation):
            answer = endpoint(operation)
            self.assertNotIn("errors", answer)
            return operation + answer

        def mutation():
            return Operation(self.schema.Mutation)

        create = mutation()
        create.create_room().room().__fields__("id", "code", "cursor")
        room = run(create).create_room.room
        place = {"room_id": room.id, "room_code": room.code}

        send = mutation()
        sending = send.send_message(input={**place, "text": "first"})
        sending.__fields__("token")
        sending.message().id()
        sending.author().id()
        sent = run(send).send_message

        edit = mutation()
        user = {"user_id": sent.author.id, "token": sent.token}
        message = {"message_id": sent.message.id}
        editing = edit.edit_message(input={**place, **user, **message, "text": "first, mended"})
        editing.token()
        editing.message().__fields__("text", "edited_at")
        edited = run(edit).edit_message
        self.assertEqual(edited.message.text, "first, mended")
        self.assertIsNotNone(edited.message.edited_at)

        delete = mutation()
        user["token"] = edited.token
        deleting = delete.delete_message(input={**place, **user, **message})
        deleting.message().__fields__("text", "deleted_at")
        deleted = run(delete).delete_message
        self.assertIsNone(deleted.message.text)
        self.assertIsNotNone(deleted.message.deleted_at)

        wrong_code = {**place, **user, "room_code": room.code + "0", "text": "no"}
        wrong_token = {**place, **user, "token": "0" * 32, "text": "no"}
        for input, code in [(wrong_code, "ROOM_CODE_INVALID"), (wrong_token, "TOKEN_INVALID")]:
            refused = mutation()
            refused.send_message(input=input).token()
            answer = endpoint(refused)
            self.assertEqual([error["extensions"]["code"] for error in answer["errors"]], [code])


if __name__ == "__main__":
    unittest.main()
