"""ariadne-codegen: a client generated from the schema, with models of pydantic, over HTTP and WebSocket."""

import asyncio
import importlib
import pathlib
import subprocess
import sys
import tempfile
import unittest

import httpx
from livechat import SCHEMA, Server

QUERIES = """
mutation CreateRoom { createRoom { room { id code cursor expiresAt } } }
mutation SendMessage($input: SendMessageInput!) {
  sendMessage(input: $input) { token message { id index text } author { id displayName } }
}
mutation EditMessage($input: EditMessageInput!) { editMessage(input: $input) { token message { id editedAt } } }
mutation DeleteMessage($input: DeleteMessageInput!) { deleteMessage(input: $input) { token message { id deletedAt } } }
query Room($roomId: ID!, $roomCode: String!) {
  room(id: $roomId, code: $roomCode) { messages(last: 10) { nodes { text } } }
}
subscription MessageEvents($roomId: ID!, $roomCode: String!, $after: String) {
  messageEvents(roomId: $roomId, roomCode: $roomCode, after: $after) { __typename cursor message { id text } }
}
"""
TIMEOUT = 60


class AriadneCodegenTest(unittest.IsolatedAsyncioTestCase):
    @classmethod
    def setUpClass(cls):
        directory = cls.enterClassContext(tempfile.TemporaryDirectory())
        path = pathlib.Path(directory)
        (path / "queries.graphql").write_text(QUERIES)
        (path / "config.toml").write_text(
            f"""[tool.ariadne-codegen]
schema_path = "{SCHEMA}"
queries_path = "queries.graphql"
target_package_name = "livechat_client"
"""
        )
        program = pathlib.Path(sys.executable).parent / "ariadne-codegen"
        subprocess.run([program, "--config", "config.toml"], cwd=path, check=True, capture_output=True)
        sys.path.insert(0, directory)
        cls.addClassCleanup(sys.path.remove, directory)
        cls.generated = importlib.import_module("livechat_client")

    async def asyncSetUp(self):
        # The test case turns debug mode on, which prints every slow step on a busy machine.
        asyncio.get_running_loop().set_debug(False)

    async def test_chat_with_subscription(self):
        generated = self.generated
        server = self.enterContext(Server())
        # By default, a request may take five seconds, which a busy machine needs.
        http = httpx.AsyncClient(timeout=TIMEOUT)
        async with generated.Client(url=server.http, ws_url=server.ws, http_client=http) as client:
            room = (await client.create_room()).create_room.room
            key = {"room_id": room.id, "room_code": room.code}
            following = asyncio.create_task(self.follow(client, key, room.cursor))

            sent = (await client.send_message(generated.SendMessageInput(**key, text="first"))).send_message
            user = {"user_id": sent.author.id, "token": sent.token}
            edit = generated.EditMessageInput(**key, **user, message_id=sent.message.id, text="first, mended")
            edited = (await client.edit_message(edit)).edit_message
            self.assertIsNotNone(edited.message.edited_at)
            delete = generated.DeleteMessageInput(
                **key, user_id=user["user_id"], token=edited.token, message_id=sent.message.id
            )
            deleted = (await client.delete_message(delete)).delete_message
            self.assertIsNotNone(deleted.message.deleted_at)

            events = await asyncio.wait_for(following, TIMEOUT)
            self.assertEqual(
                [event.typename__ for event in events], ["MessageSent", "MessageEdited", "MessageDeleted"]
            )
            self.assertEqual([event.message.id for event in events], [sent.message.id] * 3)
            again = await asyncio.wait_for(self.follow(client, key, events[0].cursor, 2), TIMEOUT)
            self.assertEqual([event.cursor for event in again], [event.cursor for event in events[1:]])
            messages = (await client.room(**key)).room.messages
            self.assertEqual([message.text for message in messages.nodes], [None])

            wrong = {**key, "room_code": room.code + "0"}
            for refused in (
                client.room(**wrong),
                client.send_message(generated.SendMessageInput(**wrong, text="no")),
            ):
                with self.assertRaises(generated.GraphQLClientGraphQLMultiError) as caught:
                    await refused
                self.assertEqual(caught.exception.errors[0].extensions["code"], "ROOM_CODE_INVALID")
            with self.assertRaises(generated.GraphQLClientGraphQLMultiError) as caught:
                await self.follow(client, wrong, None)
            self.assertEqual(caught.exception.errors[0].extensions["code"], "ROOM_CODE_INVALID")

    @staticmethod
    async def follow(client, key, after, count=3):
        events = []
        async for data in client.message_events(**key, after=after):
            events.append(data.message_events)
            if len(events) == count:
                break
        return events


if __name__ == "__main__":
    unittest.main()
