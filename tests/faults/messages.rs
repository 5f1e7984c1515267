//! Every message that a user can cause, in one file: `messages.txt` holds what is typed and what is said. With
//! `ATTRIBUTARY_UPDATE=1` the file is written anew; what changed is for the eye.

use std::fs;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::support::root;
use crate::world::{PIPELINE, World};

#[test]
fn every_message_is_as_written_down() {
    let path = root().join("tests/faults/messages.txt");
    let text = fs::read_to_string(&path).expect("messages.txt");
    let blocks: Vec<&str> = text.split("\n\n").collect();
    let found: Vec<Mutex<String>> = blocks.iter().map(|_| Mutex::default()).collect();
    let next = AtomicUsize::new(0);
    let work = || {
        while let Some(block) = blocks.get(next.fetch_add(1, Ordering::Relaxed)) {
            let place = blocks.iter().position(|it| std::ptr::eq(*it, *block)).expect("its place");
            *found[place].lock().expect("no panic") = performed(block);
        }
    };
    std::thread::scope(|scope| _ = [scope.spawn(work), scope.spawn(work)]);
    let found: Vec<String> = found.into_iter().map(|block| block.into_inner().expect("no panic")).collect();
    if std::env::var_os("ATTRIBUTARY_UPDATE").is_some() {
        return fs::write(path, found.join("\n\n")).expect("written");
    }
    let differ: Vec<String> = blocks
        .iter()
        .zip(&found)
        .filter(|(old, new)| old.trim_end() != new.trim_end())
        .map(|(old, new)| format!("expected\n{old}\nfound\n{new}\n"))
        .collect();
    assert!(differ.is_empty(), "{}", differ.join("\n"));
}

/// A block with what is said in it as it is now. Its lines are
/// `~ old => new` to change the pipeline, `+ line` to add to it, `= name: text` to write a file, `$ words` to type,
/// and what is said, indented by two spaces.
fn performed(block: &str) -> String {
    let world = World::new();
    let mut pipeline = PIPELINE.trim_start().to_owned();
    let mut lines = Vec::new();
    for line in block.trim_end().lines().filter(|line| !line.starts_with("  ")) {
        lines.push(line.to_owned());
        if let Some((old, new)) = line.strip_prefix("~ ").and_then(|change| change.split_once(" =>")) {
            assert!(pipeline.contains(old), "{old} is not in the pipeline");
            pipeline = pipeline.replacen(old, &new.trim_start().replace("\\n", "\n"), 1);
        } else if let Some(added) = line.strip_prefix('+') {
            pipeline.push_str(&format!("{}\n", added.trim_start()));
        } else if let Some((name, text)) = line.strip_prefix("= ").and_then(|file| file.split_once(": ")) {
            world.write(name, text.replace("\\n", "\n"));
        } else if let Some(typed) = line.strip_prefix('$') {
            world.pipeline(&pipeline);
            let words = words(typed.trim_start());
            let ended = world.perform(&words.iter().map(String::as_str).collect::<Vec<_>>());
            lines.extend(world.said(&ended).lines().map(|line| format!("  {}", steady(line))));
            lines.push(format!("  exit code {}", ended.code));
        }
    }
    lines.join("\n")
}

/// The line without what changes from release to release.
fn steady(line: &str) -> String {
    let hash = |word: &str| {
        word.trim_matches(['(', ','])
            .strip_suffix('…')
            .is_some_and(|it| it.len() == 12 && it.bytes().all(|it| it.is_ascii_hexdigit()))
    };
    let words: Vec<_> = line.split(' ').map(|word| if hash(word) { "(<settings>," } else { word }).collect();
    words.join(" ").replace(env!("CARGO_PKG_VERSION"), "<version>")
}

/// Words as a shell splits them: at spaces, but for those in single quotes.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for letter in line.chars() {
        match letter {
            '\'' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            letter => words.last_mut().expect("one").push(letter),
        }
    }
    words
}
