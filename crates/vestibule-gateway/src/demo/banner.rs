//! What stands on the terminal.

use std::path::Path;

use super::{
    Places,
    commands::{self, Command},
    people::People,
};

/// What to open and what to try, ready to be copied. `token` is the file with the admin token.
pub(super) fn text(
    places: &Places,
    notes: &[String],
    (token, people): (&Path, Option<&People>),
    commands: &[Command],
) -> String {
    let Places { gateway, page, upstream, admin, .. } = places;
    let token = token.display();
    let passwords = people.into_iter().flat_map(People::passwords);
    let users: Vec<_> = passwords.map(|(name, password)| format!("{name} / {password}")).collect();
    let users = if users.is_empty() { "none".to_owned() } else { users.join("   ") };
    let moved = notes.iter().fold(String::new(), |text, words| text + "\n            " + words);
    let tried = commands::printed(commands);
    let wide = [format!("http://{page}/"), format!("ws://{gateway}"), format!("ws://{upstream}")];
    let [open, gate, chat] = wide.map(|address| format!("{address:<22}"));
    format!(
        "
Vestibule demo: a gateway, a chat server behind it, and two users.

  Open      {open}  and try every way in
  Gateway   {gate}  /chat, and others for what it cannot show
  Chat      {chat}  refuses whoever does not come through the gateway
  Console   http://{admin}/console/
            its token: cat {token}
  Users     {users}{moved}

Or try it from another terminal; the page has more to copy.
{tried}
Ctrl-C ends everything.
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_fits_a_small_terminal() {
        let people = People::sample();
        let moved = ["(port 8080 was taken: the gateway is at 43210)".to_owned()];
        let moved = [moved.clone(), moved.clone(), moved].concat();
        let text = text(
            &Places::usual(),
            &moved,
            (Path::new("/tmp/vestibule-demo-0123456789abcdef/admin.token"), Some(&people)),
            &commands::all(
                &Places::usual(),
                Some(&people),
                Path::new("/tmp/vestibule-demo-0123456789abcdef"),
            ),
        );
        assert!(text.lines().count() <= 34, "{}", text.lines().count());
        assert!(text.lines().all(|line| line.len() <= 95));
        assert!(text.is_ascii());
    }
}
