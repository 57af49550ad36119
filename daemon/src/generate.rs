//! `openproxy generate`: manual pages and completions, from what `--help` is from and from
//! `docs/configuration.md`.

mod file_page;

use std::fs;
use std::io;
use std::path::Path;

use clap::{Command, CommandFactory as _};
use clap_complete::Shell;
use clap_mangen::Man;
use roff::{Roff, roman};

use crate::cli::{Cli, GenerateArgs, Generated};
use crate::exit::Exit;
use crate::run::complain;

const NAME: &str = "openproxy";
/// Of commands for administrators.
const SECTION: &str = "8";
const SOURCE: &str = concat!("openproxy ", env!("CARGO_PKG_VERSION"));

/// Writes what is asked for.
pub(crate) fn run(args: &GenerateArgs) -> Exit {
    let written = match args.what {
        Generated::Man => man(&args.folder),
        Generated::Completions => completions(&args.folder),
    };
    match written {
        Ok(()) => Exit::Clean,
        Err(error) => {
            complain(format_args!("openproxy: {}: {error}", args.folder.display()));
            Exit::System
        }
    }
}

fn man(folder: &Path) -> io::Result<()> {
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    let pages = command.get_subcommands().filter(|command| !command.is_hide_set());
    for page in pages.chain([&command]) {
        let notes = page.get_after_long_help().map(ToString::to_string);
        let page = Man::new(page.clone().after_long_help(None))
            .section(SECTION)
            .source(SOURCE)
            .manual("OpenProxy");
        let mut text = Vec::new();
        page.render(&mut text)?;
        text.extend(sections(&notes.unwrap_or_default()).to_roff().into_bytes());
        fs::write(folder.join(page.get_filename()), text)?;
    }
    fs::write(folder.join("openproxy.toml.5"), file_page::render(SOURCE))
}

/// What follows the options in the help: blocks whose first line is a title, laid out by hand.
fn sections(notes: &str) -> Roff {
    let mut roff = Roff::new();
    for block in notes.split("\n\n") {
        let Some((title, text)) = block.split_once(":\n") else { continue };
        roff.control("SH", [title.to_uppercase().as_str()]).control("nf", []);
        for line in text.lines() {
            roff.text([roman(line)]);
        }
        roff.control("fi", []);
    }
    roff
}

fn completions(folder: &Path) -> io::Result<()> {
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        clap_complete::generate_to(shell, &mut shown(), NAME, folder)?;
    }
    Ok(())
}

/// The command line without what is hidden: clap_complete offers that, too.
fn shown() -> Command {
    let all = Cli::command();
    let shown = all.get_subcommands().filter(|command| !command.is_hide_set()).cloned();
    let arguments = all.get_arguments().cloned();
    Command::new(NAME).version(env!("CARGO_PKG_VERSION")).args(arguments).subcommands(shown)
}
