//! Intended differences from the recorded responses. The response must be the one given here, and must not be the recorded one.

/// A recorded case with a different response.
pub struct Deviation {
    /// The name of the recorded case.
    pub case: &'static str,
    pub reason: &'static str,
    pub status: u16,
    pub headers: &'static [(&'static str, &'static str)],
    pub body: &'static str,
}

const MEANINGFUL_STATUS: &str = "the HTTP status reports the error of the envelope, so that clients notice it";
const NOTHING_ECHOED: &str = "the response does not repeat the body, which contains the token and the code";
const JSON: &[(&str, &str)] = &[("content-type", "application/json")];

const fn deviation(case: &'static str, reason: &'static str, status: u16, body: &'static str) -> Deviation {
    Deviation { case, reason, status, headers: JSON, body }
}

pub const DEVIATIONS: &[Deviation] = &[
    deviation(
        "get_room wrong code",
        MEANINGFUL_STATUS,
        403,
        r#"{"status_code":403,"message":"the room code is invaild","data":null}"#,
    ),
    deviation(
        "send second wrong token",
        MEANINGFUL_STATUS,
        403,
        r#"{"status_code":403,"message":"bad token","data":null}"#,
    ),
    deviation(
        "send short user_id (9)",
        MEANINGFUL_STATUS,
        403,
        r#"{"status_code":403,"message":"user_id length should be longer then 10","data":null}"#,
    ),
    deviation(
        "edit 422 missing message",
        NOTHING_ECHOED,
        422,
        r#"{"detail":[{"type":"missing","loc":["body","message"],"msg":"Field required"}]}"#,
    ),
    deviation("edit wrong token", MEANINGFUL_STATUS, 403, r#"{"status_code":403,"message":"bad token","data":null}"#),
    deviation(
        "edit unknown user",
        MEANINGFUL_STATUS,
        403,
        r#"{"status_code":403,"message":"request forbidden","data":null}"#,
    ),
    deviation(
        "edit out of range",
        "404, because a 503 would make proxies repeat the request",
        404,
        r#"{"status_code":503,"message":"no such message","data":null}"#,
    ),
    deviation(
        "delete unknown user",
        MEANINGFUL_STATUS,
        403,
        r#"{"status_code":403,"message":"request forbidden","data":null}"#,
    ),
    deviation(
        "get_room 422 missing room_code",
        NOTHING_ECHOED,
        422,
        r#"{"detail":[{"type":"missing","loc":["body","room_code"],"msg":"Field required"}]}"#,
    ),
    deviation(
        "get_room 422 int room_id",
        NOTHING_ECHOED,
        422,
        r#"{"detail":[{"type":"string_type","loc":["body","room_id"],"msg":"Input should be a valid string"}]}"#,
    ),
    deviation(
        "get_room body truncated",
        NOTHING_ECHOED,
        422,
        r#"{"detail":[{"type":"json_invalid","loc":["body",11],"msg":"JSON decode error"}]}"#,
    ),
    Deviation {
        case: "preflight POST content-type",
        reason: "all origins are allowed, but credentials are not, as there are none; the requested headers and methods are \
                 listed, because * does not cover Authorization",
        status: 200,
        headers: &[
            ("access-control-allow-origin", "*"),
            ("access-control-allow-methods", "POST"),
            ("access-control-allow-headers", "content-type"),
            ("access-control-max-age", "600"),
        ],
        body: "",
    },
];
