//! Keys and signatures of the real `ssh-keygen` and `ssh-agent`, where they are installed. Where not,
//! that is said aloud; signatures that were made earlier are in `src/public_key/testdata`.

#[cfg(test)]
mod tests {
    use std::{
        fs,
        io::Write as _,
        path::Path,
        process::{Command, Stdio},
    };

    use vestibule_core::time::UnixTime;
    use vestibule_verify::public_key::{AuthorizedKey, Challenge, Fingerprint, Signature};

    const KINDS: [&str; 2] = ["ed25519", "ecdsa"];

    /// Runs a program with this input. `None` where it is not installed.
    fn run(program: &str, arguments: &[&str], folder: &Path, input: &[u8]) -> Option<String> {
        let spawned = Command::new(program)
            .args(arguments)
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut child = match spawned {
            Ok(child) => child,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                // Not `eprintln`, which the test runner hides.
                let said = format!("NOT TESTED: {program} is not installed\n");
                std::io::stderr().write_all(said.as_bytes()).unwrap();
                return None;
            }
            Err(error) => panic!("{program}: {error}"),
        };
        child.stdin.take().unwrap().write_all(input).unwrap();
        let output = child.wait_with_output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{program} {arguments:?}: {errors}");
        Some(String::from_utf8(output.stdout).unwrap())
    }

    fn challenge() -> Challenge {
        Challenge::new([3; 32], "ws.example.com", "/chat", None).unwrap()
    }

    fn is_accepted(line: &str, signature: &str) -> bool {
        let key = AuthorizedKey::from_line(line).unwrap();
        let signature = Signature::ssh(signature).unwrap();
        let peer = "192.0.2.7".parse().unwrap();
        challenge().answer(Some(&key), &signature, peer, UnixTime::from_secs(0)).is_ok()
    }

    #[test]
    fn ssh_keygen_makes_keys_and_signatures_that_are_accepted() {
        for kind in KINDS {
            let folder = tempfile::tempdir().unwrap();
            let folder = folder.path();
            let generate = ["-q", "-t", kind, "-N", "", "-C", "a comment", "-f", "key"];
            if run("ssh-keygen", &generate, folder, b"").is_none() {
                return;
            }
            let line = fs::read_to_string(folder.join("key.pub")).unwrap();
            let shown = run("ssh-keygen", &["-lf", "key.pub"], folder, b"").unwrap();
            let fingerprint = Fingerprint::parse(shown.split(' ').nth(1).unwrap()).unwrap();
            assert_eq!(AuthorizedKey::from_line(&line).unwrap().fingerprint(), fingerprint);
            for hash in ["hashalg=sha256", "hashalg=sha512"] {
                let sign = ["-q", "-Y", "sign", "-f", "key", "-n", "vestibule", "-O", hash];
                let signature =
                    run("ssh-keygen", &sign, folder, challenge().signed_bytes()).unwrap();
                assert!(is_accepted(&line, &signature), "{kind} {hash}");
                let other = run("ssh-keygen", &sign, folder, b"something else").unwrap();
                assert!(!is_accepted(&line, &other), "{kind} {hash}");
            }
            let sign = ["-q", "-Y", "sign", "-f", "key", "-n", "git"];
            let git = run("ssh-keygen", &sign, folder, challenge().signed_bytes()).unwrap();
            assert!(Signature::ssh(&git).is_err());
        }
    }

    #[test]
    fn an_agent_signs_with_a_key_that_is_in_no_file() {
        const SCRIPT: &str =
            "ssh-add -q key && rm key && ssh-keygen -q -Y sign -f key.pub -n vestibule";
        for kind in KINDS {
            let folder = tempfile::tempdir().unwrap();
            let folder = folder.path();
            if run("ssh-keygen", &["-q", "-t", kind, "-N", "", "-f", "key"], folder, b"").is_none()
            {
                return;
            }
            let line = fs::read_to_string(folder.join("key.pub")).unwrap();
            // The agent runs the script, and ends with it.
            let arguments = ["-a", "agent", "sh", "-c", SCRIPT];
            let Some(signature) = run("ssh-agent", &arguments, folder, challenge().signed_bytes())
            else {
                return;
            };
            assert!(is_accepted(&line, &signature), "{kind}");
        }
    }

    #[test]
    fn a_line_that_is_kept_is_one_for_ssh_keygen_too() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        if run("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", "key"], folder, b"").is_none()
        {
            return;
        }
        let line = fs::read_to_string(folder.join("key.pub")).unwrap();
        let line = format!("from=\"10.0.0.0/8,!10.0.0.1\",expiry-time=\"20300101Z\" {line}");
        let key = AuthorizedKey::from_line(&line).unwrap();
        fs::write(folder.join("kept"), format!("{}\n", key.to_line())).unwrap();
        let shown = run("ssh-keygen", &["-lf", "kept"], folder, b"").unwrap();
        assert!(shown.contains(&key.fingerprint().to_string()), "{shown}");
    }
}
