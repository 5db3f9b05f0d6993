"""gql over HTTP and over WebSocket, with each of its transports."""

import asyncio
import unittest

from gql import Client, GraphQLRequest
from gql.transport.aiohttp import AIOHTTPTransport
from gql.transport.aiohttp_websockets import AIOHTTPWebsocketsTransport
from gql.transport.exceptions import TransportQueryError
from gql.transport.requests import RequestsHTTPTransport
from gql.transport.websockets import WebsocketsTransport

from livechat import Server

CREATE = "mutation { createRoom { room { id code cursor } } }"
RESULT = "{ token cursor message { id } author { id } }"
CHANGED = "{ token cursor message { id } }"
SEND = f"mutation ($input: SendMessageInput!) {{ result: sendMessage(input: $input) {RESULT} }}"
EDIT = f"mutation ($input: EditMessageInput!) {{ result: editMessage(input: $input) {CHANGED} }}"
DELETE = f"mutation ($input: DeleteMessageInput!) {{ result: deleteMessage(input: $input) {CHANGED} }}"
ROOM = """query ($roomId: ID!, $roomCode: String!) {
  room(id: $roomId, code: $roomCode) { messages(last: 10) { nodes { text } } }
}"""
EVENTS = """subscription ($roomId: ID!, $roomCode: String!, $after: String) {
  messageEvents(roomId: $roomId, roomCode: $roomCode, after: $after) { __typename cursor message { text } }
}"""
# In seconds; long enough for a busy machine.
TIMEOUT = 60


def request(document, **variables):
    return GraphQLRequest(document, variable_values=variables)


def code_of(error):
    return error.errors[0]["extensions"]["code"]


class Chat:
    """Creates a room, sends, edits and deletes. `execute` returns the data of a request, or a coroutine for it."""

    def __init__(self, execute):
        self._execute = execute
        self._user = {}

    async def _data(self, document, **variables):
        data = self._execute(request(document, **variables))
        return await data if asyncio.iscoroutine(data) else data

    async def create(self):
        room = (await self._data(CREATE))["createRoom"]["room"]
        self.start = room["cursor"]
        self.key = {"roomId": room["id"], "roomCode": room["code"]}

    async def _act(self, document, **what):
        result = (await self._data(document, input={**self.key, **self._user, **what}))["result"]
        if "author" in result:
            self._user["userId"] = result["author"]["id"]
        self._user["token"] = result["token"]
        return result["message"]["id"]

    async def send_edit_and_delete(self):
        first = await self._act(SEND, text="first")
        await self._act(EDIT, messageId=first, text="first, mended")
        await self._act(DELETE, messageId=await self._act(SEND, text="second"))

    async def texts(self):
        data = await self._data(ROOM, **self.key)
        return [message["text"] for message in data["room"]["messages"]["nodes"]]

    async def refusals(self):
        """Sends with a wrong room code and with a wrong token. Returns the error codes."""
        codes = []
        for change in [{"roomCode": self.key["roomCode"] + "0"}, {"token": "0" * 32}]:
            try:
                await self._data(SEND, input={**self.key, **self._user, "text": "no", **change})
            except TransportQueryError as error:
                codes.append(code_of(error))
        return codes


EXPECTED_EVENTS = ["MessageSent", "MessageEdited", "MessageSent", "MessageDeleted"]


class GqlTest(unittest.IsolatedAsyncioTestCase):
    def setUp(self):
        self.server = self.enterContext(Server())

    async def asyncSetUp(self):
        # The test case turns debug mode on, which prints every slow step on a busy machine.
        asyncio.get_running_loop().set_debug(False)

    async def chat_without_subscription(self, execute):
        chat = Chat(execute)
        await chat.create()
        await chat.send_edit_and_delete()
        self.assertEqual(await chat.texts(), ["first, mended", None])
        self.assertEqual(await chat.refusals(), ["ROOM_CODE_INVALID", "TOKEN_INVALID"])

    async def chat_with_subscription(self, transport):
        async with Client(transport=transport, execute_timeout=TIMEOUT) as session:
            chat = Chat(session.execute)
            await chat.create()
            following = asyncio.create_task(self.follow(session, chat))
            await chat.send_edit_and_delete()
            events = await asyncio.wait_for(following, TIMEOUT)
            self.assertEqual([event["__typename"] for event in events], EXPECTED_EVENTS)
            # Resumes after the second event.
            again = await asyncio.wait_for(self.follow(session, chat, events[1]["cursor"], 2), TIMEOUT)
            self.assertEqual([event["cursor"] for event in again], [event["cursor"] for event in events[2:]])
            self.assertEqual(await chat.texts(), ["first, mended", None])
            self.assertEqual(await chat.refusals(), ["ROOM_CODE_INVALID", "TOKEN_INVALID"])
            with self.assertRaises(TransportQueryError) as refused:
                wrong = {**chat.key, "roomCode": chat.key["roomCode"] + "0"}
                async for _ in session.subscribe(request(EVENTS, **wrong)):
                    self.fail("a wrong code was accepted")
            self.assertEqual(code_of(refused.exception), "ROOM_CODE_INVALID")

    @staticmethod
    async def follow(session, chat, after=None, count=4):
        events = []
        variables = {**chat.key, "after": after or chat.start}
        async for data in session.subscribe(request(EVENTS, **variables)):
            events.append(data["messageEvents"])
            if len(events) == count:
                break
        return events

    async def test_http_with_requests_and_the_schema_of_the_server(self):
        transport = RequestsHTTPTransport(url=self.server.http, timeout=TIMEOUT)
        # Fetches the schema, and validates every request against it.
        client = Client(transport=transport, fetch_schema_from_transport=True, execute_timeout=TIMEOUT)
        with client as session:
            await self.chat_without_subscription(session.execute)
            self.assertIn("sendMessage", client.schema.mutation_type.fields)

    async def test_http_with_aiohttp(self):
        async with Client(transport=AIOHTTPTransport(url=self.server.http), execute_timeout=TIMEOUT) as session:
            await self.chat_without_subscription(session.execute)

    async def test_websockets_with_default_options(self):
        # The client finds the header `Sec-WebSocket-Protocol` only in this spelling.
        await self.chat_with_subscription(WebsocketsTransport(url=self.server.ws))

    async def test_websockets_with_one_subprotocol(self):
        protocols = [WebsocketsTransport.GRAPHQLWS_SUBPROTOCOL]
        await self.chat_with_subscription(WebsocketsTransport(url=self.server.ws, subprotocols=protocols))

    async def test_websockets_with_aiohttp(self):
        await self.chat_with_subscription(AIOHTTPWebsocketsTransport(url=self.server.ws))


if __name__ == "__main__":
    unittest.main()
