//! A program that is told something in its environment or on its standard input.

use std::process::Stdio;

use openproxy_core::time::Duration;
use openproxy_core::vrrp::CommandLine;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::group::{Group, Output};

/// What a program is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScriptInput {
    /// More variables.
    pub environment: Vec<(&'static str, String)>,
    /// What it finds on its standard input.
    pub stdin: Vec<u8>,
}

/// Runs a program by the rules of hooks: without a shell, in a process group that is killed when it
/// takes too long, its output logged under `subject`. It need not read its `input`.
///
/// # Errors
/// Why it didn't end well, in words.
pub async fn run_script(
    subject: &str,
    command: &CommandLine,
    input: ScriptInput,
    time_max: Duration,
) -> Result<(), String> {
    let mut group = Group::spawn(command, |command| {
        command.envs(input.environment);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    })?;
    let output = Output::log(subject, command, &mut group);
    let mut stdin = group.child.stdin.take();
    let writer = tokio::spawn(async move {
        if let Some(stdin) = &mut stdin {
            // One that ends without reading has decided so.
            let _ = stdin.write_all(&input.stdin).await;
        }
    });
    // Nobody calls it off, but for the time.
    let (_never, killed) = oneshot::channel();
    let ended = timeout(time_max, group.wait(killed)).await;
    let result =
        ended.unwrap_or_else(|_| Err(format!("killed after {} s", time_max.as_secs_f64())));
    writer.abort();
    output.finish().await;
    group.kills = result.is_err();
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(text: &str) -> CommandLine {
        ["/bin/sh", "-c", text].map(str::to_owned).as_slice().into()
    }

    const LONG: Duration = Duration::from_secs(600);

    fn read(stdin: &[u8]) -> ScriptInput {
        ScriptInput { stdin: stdin.to_vec(), ..ScriptInput::default() }
    }

    #[tokio::test]
    async fn it_reads_what_it_is_told() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let command = shell(&format!("cat > {}", file.path().display()));
        let input = vec![b'x'; 1 << 20];
        assert_eq!(run_script("p/0", &command, read(&input), LONG).await, Ok(()));
        assert_eq!(std::fs::read(file.path()).expect("written"), input);
    }

    #[tokio::test]
    async fn it_finds_variables_in_its_environment() {
        let environment = vec![("OPENPROXY_REASON", "it \"burns\"".to_owned())];
        let input = ScriptInput { environment, ..ScriptInput::default() };
        let command = shell("test \"$OPENPROXY_REASON\" = 'it \"burns\"'");
        assert_eq!(run_script("r", &command, input, LONG).await, Ok(()));
        let without = run_script("r", &command, ScriptInput::default(), LONG).await;
        assert_eq!(without, Err("exit status: 1".to_owned()));
    }

    #[tokio::test]
    async fn one_that_does_not_read_may_end_as_it_likes() {
        let input = vec![b'x'; 1 << 20];
        assert_eq!(run_script("p/0", &shell("true"), read(&input), LONG).await, Ok(()));
        let failed = run_script("p/0", &shell("exit 3"), read(&input), LONG).await;
        assert_eq!(failed, Err("exit status: 3".to_owned()));
    }

    #[tokio::test]
    async fn one_that_takes_too_long_is_killed_with_all_that_it_has_started() {
        // Whoever runs still has the writing end, which is handed on to every child.
        let (read, write) = nix::unistd::pipe().expect("a pipe");
        let command = shell("sleep 600 & wait");
        let killed =
            run_script("p/0", &command, ScriptInput::default(), Duration::from_millis(50)).await;
        assert_eq!(killed, Err("killed after 0.05 s".to_owned()));
        drop(write);
        let read_to_end =
            std::io::Read::read_to_end(&mut std::fs::File::from(read), &mut Vec::new());
        assert_eq!(read_to_end.expect("an end"), 0);
    }
}
