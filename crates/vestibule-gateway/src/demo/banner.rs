//! What stands on the terminal.

use std::path::Path;

use super::{Places, people::People};

/// What to open and what to try, ready to be copied. `token` is the file with the admin token.
pub(super) fn text(
    places: &Places,
    notes: &[String],
    (token, people): (&Path, Option<&People>),
) -> String {
    let Places { gateway, page, foreign: _, upstream, admin } = places;
    let token = token.display();
    let passwords = people.into_iter().flat_map(People::passwords);
    let users: Vec<_> = passwords.map(|(name, password)| format!("{name} / {password}")).collect();
    let users = if users.is_empty() { "none".to_owned() } else { users.join("   ") };
    let moved = notes.iter().fold(String::new(), |text, words| text + "\n            " + words);
    let wide = [format!("http://{page}/"), format!("ws://{gateway}"), format!("ws://{upstream}")];
    let [open, gate, chat] = wide.map(|address| format!("{address:<22}"));
    format!(
        "
Vestibule demo: a gateway, a chat server behind it, and two users.

  Open      {open}  and connect by every carrier
  Gateway   {gate}  /chat, /signed-in, /announced, /open-query
  Chat      {chat}  refuses whoever does not come through the gateway
  Console   http://{admin}/console/
            its token: cat {token}
  Users     {users}{moved}

Or try it from another terminal.

  Alice for 30 seconds; the connection ends with her token:
    vestibule connect ws://{gateway}/chat --carrier message \\
      --token-file <(curl -s 'http://{page}/token?user=alice&ttl=30')

  A page that is not on the list, with a good token (HTTP 403):
    vestibule connect ws://{gateway}/chat --origin http://evil.example \\
      --token-file <(curl -s 'http://{page}/token?user=alice')

  A token that is none (HTTP 401 with a challenge):
    vestibule connect ws://{gateway}/chat --token wrong

  Any other client:
    websocat -H \"Authorization: Bearer $(curl -s 'http://{page}/token?user=bob')\" \\
      ws://{gateway}/chat

Ctrl-C ends everything.
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_fits_a_small_terminal() {
        let moved = ["(port 8080 was taken: the gateway is at 43210)".to_owned()];
        let moved = [moved.clone(), moved.clone(), moved].concat();
        let text = text(
            &Places::usual(),
            &moved,
            (Path::new("/tmp/vestibule-demo-0123456789abcdef/admin.token"), None),
        );
        assert!(text.lines().count() <= 31, "{}", text.lines().count());
        assert!(text.lines().all(|line| line.len() <= 95));
        assert!(text.is_ascii());
    }
}
