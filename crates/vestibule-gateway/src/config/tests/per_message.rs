//! What is said about routes where each message carries its own credential.

use super::faults::route;

#[test]
fn it_stands_alone_and_takes_what_can_come_with_each_message() {
    route("accept = ['per-message']", &[]);
    route("accept = ['per-message']\nmax_message = 1024", &[]);
    route("accept = ['per-message']\nmechanisms = ['bearer', 'session', 'api-key']\n[auth]", &[]);
    for (lines, expected) in [
        (
            "accept = ['per-message', 'header']",
            "4:11 `per-message` stands alone: where each message carries its credential, none comes \
             in another way",
        ),
        (
            "accept = ['per-message']\nmechanisms = ['bearer', 'ticket']\n[auth]",
            "5:14 \"ticket\" is nothing that each message could carry",
        ),
        (
            "accept = ['per-message']\nmechanisms = ['public-key']\n[auth]",
            "5:14 \"public-key\" is nothing that each message could carry",
        ),
        (
            "accept = ['per-message']\nmechanisms = ['session']\nsessions = 'issue'\n[auth]",
            "6:12 session tokens are told in `accepted`, which nobody is told where each message \
             carries its own credential",
        ),
        (
            "accept = ['per-message']\nmax_message = 100",
            "5:15 `max_message` is a number from 1024 to 16777216",
        ),
        (
            "max_message = 4096",
            "4:15 `max_message` has no use: `accept` does not have `per-message`",
        ),
    ] {
        route(lines, &[expected]);
    }
}
