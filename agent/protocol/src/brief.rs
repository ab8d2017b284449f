//! What of a [`Response`](crate::response::Response) concerns the helper. It is in memory as long as its command runs: the
//! answers that only `jitctl` gets have no place in it.

use serde::Deserialize;

use crate::response::RequestState;

/// The answers to what the helper asks; any other one is an error.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Brief {
    /// Not done.
    Refused {
        /// What happened.
        what: String,
        /// What to do; may be empty.
        hint: String,
    },
    /// To `Await`: this one.
    Requests([BriefRequest; 1]),
    /// To `Ask`.
    Asked {
        /// Id of the request.
        request: String,
        /// How it stands, for people.
        what: String,
    },
    /// To `Token`: what is to be signed.
    Token {
        /// The text.
        text: String,
    },
}

/// How a request stands.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct BriefRequest {
    /// Whether it waits.
    pub state: RequestState,
    /// What was said with a no.
    #[serde(default)]
    pub answer: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::response::Response;

    fn brief(response: &Response) -> Option<Brief> {
        serde_json::from_slice(&serde_json::to_vec(response).unwrap()).ok()
    }

    #[test]
    fn it_reads_what_concerns_the_helper_and_nothing_else() {
        let refused = Response::Refused { what: "no".to_owned(), hint: String::new() };
        assert_eq!(brief(&refused), Some(Brief::Refused { what: "no".to_owned(), hint: String::new() }));
        let asked = Response::Asked { request: "a".to_owned(), what: "b".to_owned() };
        assert_eq!(brief(&asked), Some(Brief::Asked { request: "a".to_owned(), what: "b".to_owned() }));
        let token = Response::Token { text: "t".to_owned() };
        assert_eq!(brief(&token), Some(Brief::Token { text: "t".to_owned() }));
        assert_eq!(brief(&Response::Done { message: String::new() }), None);
        assert_eq!(brief(&Response::Requests(Vec::new())), None);
    }

    #[test]
    fn of_a_request_it_reads_how_that_stands() {
        let view = r#"{"id":"a","state":"refused","binding":{"x":[1,{}]},"answer":"not today","needed":1}"#;
        let brief: Brief = serde_json::from_str(&format!(r#"{{"requests":[{view}]}}"#)).unwrap();
        let answer = Some("not today".to_owned());
        assert_eq!(brief, Brief::Requests([BriefRequest { state: RequestState::Refused, answer }]));
    }
}
