use clap::CommandFactory as _;

use super::*;

#[test]
fn the_definition_is_sound() {
    Cli::command().debug_assert();
}

/// Every line of every "Examples" that begins with `lucarne` must be something that can be typed.
#[test]
fn every_example_of_the_help_parses() {
    let mut count = 0;
    let command = Cli::command();
    for command in all(&command) {
        let help = command
            .get_after_long_help()
            .map(ToString::to_string)
            .unwrap_or_default();
        for line in help.lines().filter_map(|line| line.strip_prefix("  ")) {
            let Some(words) = example(line) else { continue };
            count += 1;
            if let Err(error) = Cli::try_parse_from(&words) {
                panic!("{words:?} in the help of {}: {error}", command.get_name());
            }
        }
    }
    assert!(count > 50, "only {count} examples were found");
}

/// A command and all those within.
fn all(command: &clap::Command) -> Vec<&clap::Command> {
    let within = command.get_subcommands().flat_map(all);
    std::iter::once(command).chain(within).collect()
}

/// The words of an example, without what the shell would take, what is in the next line and the
/// remark behind it.
fn example(line: &str) -> Option<Vec<String>> {
    if !line.starts_with("lucarne ") {
        return None;
    }
    let line = line.split(" > ").next().unwrap_or(line);
    let line = line.strip_suffix(" \\").unwrap_or(line);
    let line = line.split("  ").next().unwrap_or(line);
    let mut words = vec![String::new()];
    let mut quoted = false;
    for c in line.chars() {
        match c {
            '\'' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            c => words.last_mut()?.push(c),
        }
    }
    Some(words)
}

#[test]
fn every_command_has_examples_but_the_hidden_ones() {
    for command in Cli::command()
        .get_subcommands()
        .filter(|command| !command.is_hide_set())
    {
        let help = command
            .get_after_long_help()
            .map(ToString::to_string)
            .unwrap_or_default();
        assert!(
            help.starts_with("Examples:\n"),
            "{} has none",
            command.get_name()
        );
    }
}

#[test]
fn screenshots_are_of_one_thing() {
    let parse = |words: &str| Cli::try_parse_from(words.split(' '));
    assert!(parse("lucarne msg screenshot --guest a --output b c.png").is_err());
    assert!(parse("lucarne msg screenshot --scanout 1 c.png").is_err());
    assert!(parse("lucarne msg screenshot c.png").is_ok());
}
