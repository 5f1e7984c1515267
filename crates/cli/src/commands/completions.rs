//! `attributary completions`: what a shell needs to complete our words.

use clap::CommandFactory;

use crate::args::{Args, CompletionsArgs};
use crate::errors::Failure;
use crate::exit::Exit;

/// The completions of a shell.
pub fn perform(args: &CompletionsArgs) -> Result<String, Failure> {
    let mut script = Vec::new();
    let mut command = Args::command();
    let name = command.get_name().to_owned();
    clap_complete::generate(args.shell, &mut command, name, &mut script);
    String::from_utf8(script).map_err(|error| Failure::new(Exit::Bug, &error, None))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shell_learns_every_command() {
        use clap_complete::Shell::*;
        for shell in [Bash, Elvish, Fish, PowerShell, Zsh] {
            let script = perform(&CompletionsArgs { shell }).expect("a script");
            for word in ["run", "explain", "models", "customers", "log-format"] {
                assert!(script.contains(word), "{shell}: {word}");
            }
            // The other shells are not told of values.
            assert_eq!(script.contains("time_decay"), matches!(shell, Bash | Zsh), "{shell}");
        }
    }
}
