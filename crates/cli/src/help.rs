//! What `--help` says, command by command: a change of it is to be seen.

use clap::CommandFactory;

use crate::args::Args;

fn help(words: &[&str]) -> String {
    let mut command = Args::command().term_width(100);
    let words = ["attributary"].iter().chain(words).chain(&["--help"]);
    command.try_get_matches_from_mut(words).expect_err("help").to_string()
}

#[test]
fn attributary() {
    insta::assert_snapshot!(help(&[]), @r"
    Turns an event log into money with a proof: divides the value of conversions over the touchpoints
    before them, exact to the last minor unit

    Usage: attributary [OPTIONS] <COMMAND>

    Commands:
      run          Compute a pipeline and publish its tables
      backfill     Compute and publish history in steps, each merged into the run before
      verify       Prove that a run is what its inputs give: compute it once more and compare the bytes
      diff         Say why a run differs from an earlier one: causes that add up to the whole change
      check        Say what a run would read and write, without touching data
      explain      Show the journey of one conversion as the engine sees it
      evaluate     Say how good models are: what they foretell, how stable they are, how far from a
                   known truth
      report       Write a run as one HTML page: numbers, charts and the ledger's proof
      runs         List the runs that were published: their days, rows, money and size
      rollback     Make an earlier run the current one again
      models       List the models, or show one with its parameters and a worked example
      simulate     Write a synthetic log, the same bytes for the same settings
      completions  Print the completions of a shell

    Options:
      -h, --help     Print help
      -V, --version  Print version

    Everywhere:
          --format <FORMAT>      What results on stdout look like [default: text] [possible values:
                                 text, json]
          --log-format <FORMAT>  What errors and log lines on stderr look like [default: text] [possible
                                 values: text, json]
      -v, --verbose...           Say more on stderr; twice for even more
      -q, --quiet                Say nothing on stderr but errors
          --color <WHEN>         When to use colours; `auto` also minds NO_COLOR [default: auto]
                                 [possible values: auto, always, never]

    Exit codes:
        0  done
        1  attributary's own fault: please report it
        2  the command line or the pipeline file
        3  the input: missing, unreadable, wrong schema; an unknown id in `explain`
        4  the data contract: a quality threshold is broken
        5  the output cannot be written or published
        6  another run holds the output
      130  interrupted: nothing was published
      143  terminated: nothing was published
    ");
}

#[test]
fn run() {
    insta::assert_snapshot!(help(&["run"]), @r#"
    Compute a pipeline and publish its tables

    Usage: attributary run [OPTIONS] <PIPELINE>

    Arguments:
      <PIPELINE>  The pipeline file

    Options:
          --set <KEY=VALUE>  Set a key of the pipeline file, such as output.paths=0 or
                             model.linear.per=channel; may be repeated
          --from <DAY>       The first day of conversions, in the pipeline's time zone
          --to <DAY>         The day after the last
          --date <DAY>       Only this day
          --as-of <TIME>     Leave out rows that came later: a time such as 2026-04-03T06:00:00Z, or a
                             day, all of it; needs `columns.ingested`
          --merge            Publish the current run with these days replaced, instead of these days
                             alone
          --full             Compute all days, also those that nothing changed for since the current run
          --refit            Fit anew also the models with refit = "frozen"
          --output <PATH>    The folder to write to, instead of the pipeline file's
          --threads <N>      How many threads to use, at most 1024; by default one a core
          --memory <SIZE>    How much memory to use, such as 512MB or 1.5GiB, at least 256MB; by default
                             60 % of the machine's
          --temp <FOLDER>    The folder for temporary files, which are needed when memory is full; by
                             default the output's
          --metrics <FILE>   Also write what the run did as a Prometheus textfile, whatever came of it
          --run-id <ID>      The id of the run; by default the time and a few digits
          --wait <TIME>      How long to wait where another run holds the output, such as 30s or 10m; by
                             default not at all
      -h, --help             Print help

    Everywhere:
          --format <FORMAT>      What results on stdout look like [default: text] [possible values:
                                 text, json]
          --log-format <FORMAT>  What errors and log lines on stderr look like [default: text] [possible
                                 values: text, json]
      -v, --verbose...           Say more on stderr; twice for even more
      -q, --quiet                Say nothing on stderr but errors
          --color <WHEN>         When to use colours; `auto` also minds NO_COLOR [default: auto]
                                 [possible values: auto, always, never]
    "#);
}

#[test]
fn check() {
    insta::assert_snapshot!(help(&["check"]), @r"
    Say what a run would read and write, without touching data

    Usage: attributary check [OPTIONS] <PIPELINE>

    Arguments:
      <PIPELINE>  The pipeline file

    Options:
          --set <KEY=VALUE>  Set a key of the pipeline file, such as output.paths=0 or
                             model.linear.per=channel; may be repeated
          --as-of <TIME>     Leave out rows that came later: a time such as 2026-04-03T06:00:00Z, or a
                             day, all of it; needs `columns.ingested`
          --output <PATH>    The folder that a run would write to, instead of the pipeline file's
      -h, --help             Print help

    Everywhere:
          --format <FORMAT>      What results on stdout look like [default: text] [possible values:
                                 text, json]
          --log-format <FORMAT>  What errors and log lines on stderr look like [default: text] [possible
                                 values: text, json]
      -v, --verbose...           Say more on stderr; twice for even more
      -q, --quiet                Say nothing on stderr but errors
          --color <WHEN>         When to use colours; `auto` also minds NO_COLOR [default: auto]
                                 [possible values: auto, always, never]
    ");
}

#[test]
fn explain() {
    insta::assert_snapshot!(help(&["explain"]), @r"
    Show the journey of one conversion as the engine sees it

    Usage: attributary explain [OPTIONS] <PIPELINE> <CONVERSION_ID>

    Arguments:
      <PIPELINE>       The pipeline file
      <CONVERSION_ID>  The id of the conversion

    Options:
          --set <KEY=VALUE>  Set a key of the pipeline file, such as output.paths=0 or
                             model.linear.per=channel; may be repeated
          --as-of <TIME>     Leave out rows that came later: a time such as 2026-04-03T06:00:00Z, or a
                             day, all of it; needs `columns.ingested`
          --threads <N>      How many threads to use, at most 1024; by default one a core
          --memory <SIZE>    How much memory to use, such as 512MB or 1.5GiB, at least 256MB; by default
                             60 % of the machine's
      -h, --help             Print help

    Everywhere:
          --format <FORMAT>      What results on stdout look like [default: text] [possible values:
                                 text, json]
          --log-format <FORMAT>  What errors and log lines on stderr look like [default: text] [possible
                                 values: text, json]
      -v, --verbose...           Say more on stderr; twice for even more
      -q, --quiet                Say nothing on stderr but errors
          --color <WHEN>         When to use colours; `auto` also minds NO_COLOR [default: auto]
                                 [possible values: auto, always, never]
    ");
}

#[test]
fn runs() {
    insta::assert_snapshot!(help(&["runs"]), @r"
    List the runs that were published: their days, rows, money and size

    Usage: attributary runs [OPTIONS] <PIPELINE>

    Arguments:
      <PIPELINE>  The pipeline file

    Options:
          --set <KEY=VALUE>  Set a key of the pipeline file, such as output.paths=0 or
                             model.linear.per=channel; may be repeated
          --output <PATH>    The folder that the runs are in, instead of the pipeline file's
      -h, --help             Print help

    Everywhere:
          --format <FORMAT>      What results on stdout look like [default: text] [possible values:
                                 text, json]
          --log-format <FORMAT>  What errors and log lines on stderr look like [default: text] [possible
                                 values: text, json]
      -v, --verbose...           Say more on stderr; twice for even more
      -q, --quiet                Say nothing on stderr but errors
          --color <WHEN>         When to use colours; `auto` also minds NO_COLOR [default: auto]
                                 [possible values: auto, always, never]
    ");
}

#[test]
fn rollback() {
    insta::assert_snapshot!(help(&["rollback"]), @r"
    Make an earlier run the current one again

    Usage: attributary rollback [OPTIONS] <PIPELINE> <RUN_ID>

    Arguments:
      <PIPELINE>  The pipeline file
      <RUN_ID>    The id of the run to go back to

    Options:
          --set <KEY=VALUE>  Set a key of the pipeline file, such as output.paths=0 or
                             model.linear.per=channel; may be repeated
          --output <PATH>    The folder that the runs are in, instead of the pipeline file's
          --wait <TIME>      How long to wait where another run holds the output, such as 30s or 10m; by
                             default not at all
      -h, --help             Print help

    Everywhere:
          --format <FORMAT>      What results on stdout look like [default: text] [possible values:
                                 text, json]
          --log-format <FORMAT>  What errors and log lines on stderr look like [default: text] [possible
                                 values: text, json]
      -v, --verbose...           Say more on stderr; twice for even more
      -q, --quiet                Say nothing on stderr but errors
          --color <WHEN>         When to use colours; `auto` also minds NO_COLOR [default: auto]
                                 [possible values: auto, always, never]
    ");
}

#[test]
fn models() {
    insta::assert_snapshot!(help(&["models"]), @r"
    List the models, or show one with its parameters and a worked example

    Usage: attributary models [OPTIONS] [KIND]

    Arguments:
      [KIND]  The model to show [possible values: last_touch, first_touch, last_click, first_click,
              linear, any_touch, time_decay, position_based, j_shaped, inverse_j, custom, markov,
              shapley, shao_li]

    Options:
      -h, --help  Print help

    Everywhere:
          --format <FORMAT>      What results on stdout look like [default: text] [possible values:
                                 text, json]
          --log-format <FORMAT>  What errors and log lines on stderr look like [default: text] [possible
                                 values: text, json]
      -v, --verbose...           Say more on stderr; twice for even more
      -q, --quiet                Say nothing on stderr but errors
          --color <WHEN>         When to use colours; `auto` also minds NO_COLOR [default: auto]
                                 [possible values: auto, always, never]
    ");
}

#[test]
fn simulate() {
    insta::assert_snapshot!(help(&["simulate"]), @r"
    Write a synthetic log, the same bytes for the same settings

    Usage: attributary simulate [OPTIONS] <OUT>

    Arguments:
      <OUT>  The folder to write to, new or empty

    Options:
          --preset <VALUE>       What is sold, and how: b2c (a shop: purchases, refunds) or b2b (months
                                 of leads, then deals) [default: b2c]
          --customers <VALUE>    Customers, of whom 2 in 100 never leave a touch [default: 50000]
          --touches <VALUE>      Touch rows in all, repeats included [default: 1000000]
          --conversions <VALUE>  Conversion rows in all, repeats included; auto: 3 for each 100 touches
                                 (b2b: 1) [default: auto]
          --seed <VALUE>         Another seed makes another log; the same seed and settings always make
                                 the same bytes [default: 1]
          --start <VALUE>        The first day [default: 2026-01-01]
          --days <VALUE>         How many days the log covers, at most 3660 [default: 60]
          --files <VALUE>        Time-ordered files of each table; auto: one a day up to 400 days, else
                                 400 [default: auto]
          --layout <VALUE>       Tables (touchpoints/ and conversions/) or events (one log of both:
                                 events/) [default: tables]
          --channels <VALUE>     Channels, at most 200 [default: 10]
          --campaigns <VALUE>    Campaigns in all, shared out over the channels that run campaigns
                                 [default: 60]
          --keys <VALUE>         Ids of customers, events and orders: text (c-000123), hex16 (16 hex
                                 digits) or integer [default: text]
          --duplicates <VALUE>   Share of rows that repeat another row's id, 0 to 0.5 [default: 0.001]
          --nulls <VALUE>        Share of nulls in each column but ids, times and amounts, 0 to 0.5
                                 [default: 0.005]
          --repeat <VALUE>       Share of purchases by customers who come back, a year into the log, 0
                                 to 0.6; 0: come back by chance [default: 0]
          --currencies <VALUE>   What customers pay in, home first (SEK,EUR: a column currency,
                                 rates.csv), of SEK EUR USD NOK DKK GBP [default: SEK]
          --refund-of <VALUE>    True: refunds name their order, in a column refund_of (b2c) [default:
                                 false]
          --spend <VALUE>        True: what ads cost, one file for each ad platform (spend/), and
                                 rates.csv [default: false]
          --truth <VALUE>        True: conversions have known causes, and truth.parquet says how many
                                 each channel brought [default: false]
          --threads <VALUE>      Files written at a time, no matter for their bytes; auto: one a core
                                 [default: auto]
      -h, --help                 Print help

    Everywhere:
          --format <FORMAT>      What results on stdout look like [default: text] [possible values:
                                 text, json]
          --log-format <FORMAT>  What errors and log lines on stderr look like [default: text] [possible
                                 values: text, json]
      -v, --verbose...           Say more on stderr; twice for even more
      -q, --quiet                Say nothing on stderr but errors
          --color <WHEN>         When to use colours; `auto` also minds NO_COLOR [default: auto]
                                 [possible values: auto, always, never]
    ");
}

#[test]
fn completions() {
    insta::assert_snapshot!(help(&["completions"]), @r"
    Print the completions of a shell

    Usage: attributary completions [OPTIONS] <SHELL>

    Arguments:
      <SHELL>  The shell [possible values: bash, elvish, fish, powershell, zsh]

    Options:
      -h, --help  Print help

    Everywhere:
          --format <FORMAT>      What results on stdout look like [default: text] [possible values:
                                 text, json]
          --log-format <FORMAT>  What errors and log lines on stderr look like [default: text] [possible
                                 values: text, json]
      -v, --verbose...           Say more on stderr; twice for even more
      -q, --quiet                Say nothing on stderr but errors
          --color <WHEN>         When to use colours; `auto` also minds NO_COLOR [default: auto]
                                 [possible values: auto, always, never]
    ");
}
