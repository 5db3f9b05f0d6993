"""Records the responses of FastAPI, the framework of the original service, to bodies of every kind in recorded_bodies.json.

    python3 -m venv /tmp/fastapi && /tmp/fastapi/bin/pip install fastapi==0.165.0 httpx==0.28.1
    /tmp/fastapi/bin/python tests/rest/legacy/record_bodies.py

Every request has a content type, because only then do all versions respond alike. Some responses of the original have status 500,
because it failed to serialize its error; the test expects a refusal instead.
"""

import json
import pathlib
import random
import sys
import warnings

warnings.simplefilter("ignore")
import fastapi
from fastapi.testclient import TestClient
from pydantic import BaseModel, __version__ as pydantic_version

app = fastapi.FastAPI()


class Delete(BaseModel):
    room_code: str
    user_id: str
    message_id: int
    room_id: str
    token: str


@app.post("/room/message/delete/")
async def delete(body: Delete):
    return {"message_id": str(body.message_id)}


client = TestClient(app, raise_server_exceptions=False)


def document(more="", message_id="0"):
    return '{%s"room_code":"c","user_id":"u","message_id":%s,"room_id":"r","token":"t"}' % (more, message_id)


def bodies():
    plain = document('"x":"\u00e4\u20ac\U0001f980",')
    encodings = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"]
    for encoding in encodings:
        yield plain.encode(encoding)
        yield (" \n" + plain).encode(encoding)
        yield plain[:-1].encode(encoding)
        yield document('"x":"\\ud800",').encode(encoding)
        yield document('"x":"\ud800",').encode(encoding, "surrogatepass")
        yield plain.encode(encoding) + b"x"
        yield "".encode(encoding)
    for mark, encoding in [(b"\xfe\xff", "utf-16-be"), (b"\x00\x00\xfe\xff", "utf-32-be")]:
        yield mark + plain.encode(encoding)
    yield b"\xef\xbb\xbf" * 2 + plain.encode()
    yield document('"x":"A",').encode().replace(b"A", b"\xff")
    yield document('"x":"A",').encode("utf-32-le").replace(b"A\x00\x00\x00", b"\x00\x00\x11\x00")
    for value in """NaN Infinity -Infinity -NaN +Infinity nan Nan infinity Inf null true false True nul tru 0 -0 00 01 -01 1. .1
            1.5 1e5 1E+5 1e-5 1e 1e+ - -a 1e400 0x10 1_000 0e1 1.e1 '' "" "a "\\ "\\q" "\\u12" "\\u12g4" "\\u+123" "\\u0041" "\\"
            [] [1,] [,] [1 [1,2] {} {"a"} {"a":} {"a":1,} {,} {a:1} {"a":1 ] } , : """.split():
        yield document('"x":%s,' % value).encode()
        yield ("[%s]" % value).encode()
        # Versions differ in their response to a body that is null.
        if value != "null":
            yield value.encode()
    for control in ["\x00", "\x01", "\t", "\n", "\x0b", "\x0c", "\x1f", "\x7f", "\x85", "\u2028", "\ufeff"]:
        yield document('"x":"%s",' % control).encode()
        yield document('"x":1%s,' % control).encode()
        yield (control + document()).encode()
        yield (document() + control).encode()
    for depth in [100, 500, 900, 1_000]:
        yield document('"x":%s%s,' % ("[" * depth, "]" * depth)).encode()
        yield document('"x":%s1%s,' % ('{"a":' * depth, "}" * depth)).encode()
    yield document('"x":' + "9" * 400 + ",").encode()
    yield document('"message_id":1,"room_code":2,').encode()
    yield b'{"message_id":1,"message_id":"x","message_id":2}'
    for value in """-1 1.0 -0.0 1.5 1e2 1e0 1e-1 true false null [] {} "" "1" " 1 " "+1" "-1" "1_000" "1__0" "_1" "1_" "1.0" "1." "1.00"
            ".0" "1.5" "1e2" "0x1" "\\u0661" "\\u00a01" "\\n1\\t" "\\u20281" "--1" "+-1" "01" "-0" "-00.0" "1_0.0" "1.0_0" "NaN" "true"
            "1\\u0000" "+_1" "0_0" "+" "-" "1.0.0" "1,0" 9223372036854775807 -9223372036854775808""".split():
        yield document(message_id=value).encode()
    for value in ["1", "null", "[]", "true", '"\\ud83e\\udd80"']:
        yield document().replace('"c"', value).encode()
    randomness = random.Random(11)
    symbols = list('{}[]:,"\\ \n\t\r0123456789.eE+-nulltrefasNIxyz/u') + ["\u00e4", "\x00", "\ud83e", "NaN", "\\u"]
    for _ in range(400):
        text = list(document(randomness.choice(["", '"x":[1,{"y":-2.5e3}],', '"x":"\\ud83e\\udd80\\n",', '"x":NaN,'])))
        for _ in range(randomness.randint(1, 3)):
            place = randomness.randrange(len(text))
            match randomness.randrange(3):
                case 0:
                    del text[place]
                case 1:
                    text.insert(place, randomness.choice(symbols))
                case 2:
                    text[place] = randomness.choice(symbols)
        yield "".join(text).encode(randomness.choice(["utf-8"] * 5 + encodings), "surrogatepass")


def record(body):
    answer = client.post("/room/message/delete/", content=body, headers={"content-type": "application/json"})
    recorded = {"body": body.hex(), "status": answer.status_code}
    if answer.status_code == 200:
        recorded["message_id"] = answer.json()["message_id"]
    if answer.status_code == 422:
        recorded["detail"] = [[entry["type"], *entry["loc"][1:]] for entry in answer.json()["detail"]]
    return json.dumps(recorded, separators=(",", ":"))


versions = {"fastapi": fastapi.__version__, "pydantic": pydantic_version, "python": sys.version.split()[0]}
lines = ",\n".join(record(body) for body in dict.fromkeys(bodies()))
target = pathlib.Path(__file__).parent / "recorded_bodies.json"
target.write_text('{"recorded_with":%s,\n"answers":[\n%s\n]}\n' % (json.dumps(versions), lines))
