//! What is typed, and what comes back.

use std::{fs, path::Path};

use clap::CommandFactory as _;
use tempfile::TempDir;

use super::*;

/// What a command printed, and how it ended.
#[derive(Debug)]
pub(super) struct Ran {
    pub(super) exit: Exit,
    pub(super) output: String,
    pub(super) error: String,
}

/// Runs a command line.
pub(super) fn vestibule(arguments: &[&str], input: &[u8], environment: &[(&str, &str)]) -> Ran {
    let (mut output, mut error) = (Vec::new(), Vec::new());
    let mut world = World {
        environment: environment.iter().map(|(name, value)| (name.into(), value.into())).collect(),
        now: UnixTime::from_secs(1_700_000_000),
        input: &mut &*input,
        output: &mut output,
        error: &mut error,
        colour: Colour::Plain,
    };
    let arguments = std::iter::once("vestibule").chain(arguments.iter().copied());
    let exit = run(arguments.map(OsString::from), &mut world);
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran { exit, output: text(output), error: text(error) }
}

fn written(folder: &TempDir, name: &str, text: &str) -> String {
    let path = folder.path().join(name);
    fs::write(&path, text).unwrap();
    path.display().to_string()
}

const CONFIG: &str = "
[[issuers]]
name = 'idp'
issuer = 'https://idp.example'
audiences = ['a']
[[routes]]
path = '/chat'
upstream = ['ws://127.0.0.1:9000/x', 'wss://b.example']
hosts = ['ws.example']
scopes = ['chat']
[admin]
";

#[test]
fn the_command_line_is_well_formed() {
    Line::command().debug_assert();
}

#[test]
fn a_command_line_that_makes_no_sense_ends_with_64() {
    for arguments in [
        &[][..],
        &["nonsense"],
        &["serve", "--nonsense"],
        &["init", "--force"],
        &["token"],
        &["token", "verify", "x"],
        &["token", "verify", "--jwks", "a", "--secret", "b", "x"],
        &["token", "mint"],
        &["connect"],
    ] {
        let ran = vestibule(arguments, b"", &[]);
        assert_eq!((ran.exit, ran.output.as_str()), (Exit::Usage, ""), "{arguments:?}");
        assert!(!ran.error.is_empty(), "{arguments:?}");
    }
    assert_eq!(Exit::Usage.code(), 64);
    assert_eq!(Exit::Configuration.code(), 78);
}

#[test]
fn help_and_version_are_results() {
    for arguments in [&["--help"][..], &["-h"], &["--version"], &["token", "verify", "--help"]] {
        let ran = vestibule(arguments, b"", &[]);
        assert_eq!((ran.exit, ran.error.as_str()), (Exit::Fine, ""), "{arguments:?}");
        assert!(!ran.output.is_empty());
    }
    assert!(vestibule(&["--help"], b"", &[]).output.contains("78 configuration"));
}

#[test]
fn a_check_tells_what_a_configuration_means() {
    let folder = TempDir::new().unwrap();
    let path = written(&folder, "x.toml", CONFIG);
    let environment = [("VESTIBULE_SERVER__WORKERS", "2")];
    let ran = vestibule(&["check", "-c", &path], b"", &environment);
    assert_eq!((ran.exit, ran.error.as_str()), (Exit::Fine, ""));
    let store = folder.path().join("vestibule.db");
    let expected = "listener  ws://127.0.0.1:8080, 2 workers
admin     http://127.0.0.1:9480
store     STORE
issuer    idp: https://idp.example, for a, keys by discovery
route     /chat on ws.example to ws://127.0.0.1:9000/x, wss://b.example: bearer by header, subprotocol, message of idp, scopes chat
";
    let expected = expected.replace("STORE", &store.display().to_string());
    assert_eq!(ran.output, format!("{expected}{path} is fine\n"));
}

#[test]
fn a_check_tells_all_faults_and_ends_with_78() {
    let folder = TempDir::new().unwrap();
    let faulty = CONFIG.replace("idp.example'", "idp.example'\nca = 'nowhere'\nclock_skew = 3");
    let path = written(&folder, "x.toml", &faulty);
    let ran = vestibule(&["check", "--config", &path], b"", &[]);
    assert_eq!((ran.exit, ran.output.as_str()), (Exit::Configuration, ""));
    assert!(ran.error.contains("cannot read"), "{}", ran.error);
    assert!(ran.error.contains("`clock_skew` is a duration"), "{}", ran.error);
    assert!(ran.error.ends_with(&format!("{path} cannot be used: 2 faults\n")), "{}", ran.error);
    // `serve` refuses in the same words.
    let served = vestibule(&["serve", "--config", &path], b"", &[]);
    assert_eq!(served.exit, Exit::Configuration);
}

#[test]
fn warnings_are_no_faults() {
    let folder = TempDir::new().unwrap();
    let path = written(&folder, "x.toml", &CONFIG.replace("127.0.0.1:9000", "10.0.0.1"));
    let ran = vestibule(&["check", "-c", &path], b"", &[]);
    assert_eq!(ran.exit, Exit::Fine);
    assert!(ran.error.starts_with("warning: "), "{}", ran.error);
    assert!(ran.output.ends_with("can be used; 1 warning\n"), "{}", ran.output);
}

#[test]
fn the_file_is_that_of_the_option_or_of_the_variable() {
    let folder = TempDir::new().unwrap();
    let path = written(&folder, "x.toml", CONFIG);
    let environment = [("VESTIBULE_CONFIG", path.as_str())];
    assert_eq!(vestibule(&["check"], b"", &environment).exit, Exit::Fine);
    let ran = vestibule(&["check", "-c", "/nowhere/at/all"], b"", &environment);
    assert_eq!(ran.exit, Exit::Configuration);
    assert!(ran.error.contains("/nowhere/at/all"), "{}", ran.error);
    // A file that was asked for must be there, whatever the environment holds.
    let environment = [("VESTIBULE_CONFIG", "/nowhere"), ("VESTIBULE_ROUTES__0__PATH", "/")];
    assert!(vestibule(&["check"], b"", &environment).error.contains("cannot read"));
}

#[test]
fn init_writes_a_file_that_check_likes() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("new.toml").display().to_string();
    let ran = vestibule(&["init", "-o", &path], b"", &[]);
    assert_eq!((ran.exit, ran.output.as_str()), (Exit::Fine, ""), "{}", ran.error);
    assert_eq!(vestibule(&["check", "-c", &path], b"", &[]).exit, Exit::Fine);
    // Nothing is overwritten unasked.
    fs::write(&path, "mine").unwrap();
    let ran = vestibule(&["init", "-o", &path], b"", &[]);
    assert_eq!(ran.exit, Exit::Failed);
    assert!(ran.error.contains("--force"), "{}", ran.error);
    assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
    assert_eq!(vestibule(&["init", "-o", &path, "--force"], b"", &[]).exit, Exit::Fine);
    assert_eq!(fs::read_to_string(Path::new(&path)).unwrap(), crate::config::example());
    assert_eq!(vestibule(&["init"], b"", &[]).output, crate::config::example());
}

#[test]
fn what_a_world_holds_is_not_printed() {
    let world = World {
        environment: vec![("X".into(), "hunter2".into())],
        now: UnixTime::from_secs(0),
        input: &mut io::empty(),
        output: &mut io::sink(),
        error: &mut io::sink(),
        colour: Colour::Plain,
    };
    assert!(!format!("{world:?}").contains("hunter2"));
}

#[test]
fn a_reader_that_went_away_is_no_panic() {
    struct Gone;
    impl Write for Gone {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    for arguments in [&["init"][..], &["--help"], &["nonsense"]] {
        let mut world = World {
            environment: Vec::new(),
            now: UnixTime::from_secs(0),
            input: &mut io::empty(),
            output: &mut Gone,
            error: &mut Gone,
            colour: Colour::Styled,
        };
        let arguments = std::iter::once("vestibule").chain(arguments.iter().copied());
        assert_eq!(run(arguments.map(OsString::from), &mut world), Exit::Failed);
    }
}
